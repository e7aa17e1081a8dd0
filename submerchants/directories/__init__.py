"""Payment directories: where a page must live for WeChat Pay to open its cashier on it."""
