"""What pages show, read and worked out: within the scope the page set, without any markup."""
