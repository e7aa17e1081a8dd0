"""Who is sent to next: nobody takes more than a share, and nobody waits for another's receiver."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from payments.webhooks import lanes as rules
from payments.webhooks.lanes import Lane, Lanes, Rooms
from payments.webhooks.letters import Letter, Outcome

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
_numbers = itertools.count(1)


def letters(endpoint: str, count: int, *, tenant: str = "", failing: bool = False) -> list[Letter]:
    return [
        Letter(
            delivery_id=f"whd_{next(_numbers)}",
            claim_token="claim",
            claimed_until=NOON + timedelta(minutes=1),
            tries=0,
            sub_merchant_id=tenant or f"sub_{endpoint}",
            endpoint_id=endpoint,
            url="https://hooks.example.test/",
            signers=(),
            is_failing=failing,
            event_id="evt",
            event_type="order.paid",
            event_data="{}",
            event_created_at=NOON,
        )
        for _ in range(count)
    ]


def started(lanes: Lanes, moment: datetime = NOON) -> list[tuple[Lane, Letter]]:
    return list(lanes.start(moment))


def end(lanes: Lanes, lane: Lane, letter: Letter, status: int | None = 204) -> list[Letter]:
    return lanes.finish(lane, Outcome(letter, NOON, 5, status=status), NOON)


def names(begun: list[tuple[Lane, Letter]]) -> list[str]:
    return [lane.endpoint_id for lane, _ in begun]


def test_a_lane_begins_narrow_and_widens_while_it_is_answered_well() -> None:
    lanes = Lanes()
    lanes.take(letters("a", 40))

    widths = []
    for _ in range(4):
        begun = started(lanes)
        widths.append(len(begun))
        for lane, letter in begun:
            end(lanes, lane, letter)

    assert widths == [1, 2, 8, rules.LANE_WIDTH]


def test_a_failure_makes_a_lane_narrow_again() -> None:
    lanes = Lanes()
    lanes.take(letters("a", 40))
    for _ in range(3):
        begun = started(lanes)
        for lane, letter in begun:
            end(lanes, lane, letter)

    begun = started(lanes)
    for lane, letter in begun:
        end(lanes, lane, letter, status=500 if letter is begun[-1][1] else 204)

    assert len(started(lanes)) == 1


def test_lanes_take_turns() -> None:
    lanes = Lanes()
    lanes.take([*letters("a", 10), *letters("b", 1), *letters("c", 1)])

    assert sorted(names(started(lanes))) == ["a", "b", "c"]


def test_a_receiver_that_keeps_us_waiting_gets_nothing_new() -> None:
    lanes = Lanes()
    lanes.take(letters("a", 40))
    for _ in range(3):
        for lane, letter in started(lanes):
            end(lanes, lane, letter)
    begun = started(lanes)
    assert len(begun) == rules.LANE_WIDTH

    slow_lane, slow = begun[0]
    slow.started_at -= rules.SLOW_SECONDS * 2
    for lane, letter in begun[1:]:
        end(lanes, lane, letter)

    assert started(lanes) == []
    end(lanes, slow_lane, slow)
    assert len(started(lanes)) > 0


def test_a_lane_rests_after_several_failures_longer_each_time_and_gives_back_what_waits() -> None:
    lanes = Lanes()
    lanes.take(letters("a", 5))

    returned: list[Letter] = []
    for _ in range(rules.FAILURES_BEFORE_REST):
        [(lane, letter)] = started(lanes)
        returned = end(lanes, lane, letter, status=None)

    assert len(returned) == 5 - rules.FAILURES_BEFORE_REST
    assert lanes.resting(NOON) == {"a": NOON + rules.FIRST_REST}
    assert lanes.rooms(NOON).left == {"a": 0}
    assert lanes.rooms(NOON + rules.FIRST_REST).left == {"a": rules.WAITING_FOR_EACH}


def test_a_rest_has_an_end() -> None:
    lane = Lane("a", "sub")

    for letter in letters("a", 60):
        lane.note(Outcome(letter, NOON, 5, status=500), NOON)

    assert lane.rests_until == NOON + rules.LONGEST_REST


def test_a_lane_waits_as_long_as_its_receiver_asked_for() -> None:
    lane = Lane("a", "sub")
    [letter] = letters("a", 1)

    lane.note(Outcome(letter, NOON, 5, status=429, retry_after=timedelta(seconds=90)), NOON)

    assert lane.rests_until == NOON + timedelta(seconds=90)


def test_a_tenant_has_its_share_and_no_more() -> None:
    lanes = Lanes()
    lanes.take([each for number in range(100) for each in letters(f"a{number}", 1, tenant="big")])
    lanes.take(letters("b", 1, tenant="small"))

    begun = names(started(lanes))

    assert "b" in begun
    assert len(begun) == rules.TENANT_SLOTS + 1


def test_failing_lanes_leave_room_for_those_that_are_answered() -> None:
    lanes = Lanes()
    failing = [letters(f"f{number}", 1, failing=True) for number in range(rules.SLOTS)]
    lanes.take([letter for each in failing for letter in each])
    lanes.take([each for number in range(50) for each in letters(f"ok{number}", 1)])

    begun = names(started(lanes))

    assert len([name for name in begun if name.startswith("ok")]) == 50
    assert len(begun) == 50 + rules.FAILING_SLOTS


def test_a_lane_takes_no_more_than_it_has_room_for() -> None:
    lanes = Lanes()
    lanes.take(letters("a", 10))

    assert lanes.rooms(NOON).left == {"a": rules.WAITING_FOR_EACH - 10}


def test_a_quick_receiver_has_more_laid_out_for_it_than_one_that_takes_its_time() -> None:
    rooms = {}
    for took_ms in (5, 900):
        lanes = Lanes()
        for _ in range(20):
            lanes.take(letters("a", rules.LANE_WIDTH))
            while begun := started(lanes):
                for lane, letter in begun:
                    lanes.finish(lane, Outcome(letter, NOON, took_ms, status=204), NOON)
        rooms[took_ms] = lanes.rooms(NOON).left["a"]
        lanes.take(letters("a", 1))
        [(lane, letter)] = started(lanes)
        end(lanes, lane, letter, status=500)
        assert lanes.rooms(NOON).left["a"] == rules.WAITING_FOR_EACH

    assert rooms == {5: rules.MOST_WAITING, 900: rules.LANE_WIDTH * rules.WAITING_FOR_EACH}


def test_rooms_are_taken_one_by_one_until_they_are_closed() -> None:
    rooms = Rooms({"a": 1, "resting": 0})

    taken = [rooms.take("a"), rooms.take("a"), rooms.take("resting"), rooms.take("new")]
    full = set(rooms.full)
    rooms.close()

    assert taken == [True, False, False, True]
    assert full == {"a", "resting"}
    assert not rooms.take("new")


def test_what_cannot_be_sent_within_its_lease_is_let_go() -> None:
    lanes = Lanes()
    lanes.take(letters("a", 3))

    assert started(lanes, NOON + timedelta(seconds=50)) == []
    assert lanes.rooms(NOON).left == {"a": rules.WAITING_FOR_EACH}


def test_a_lane_without_anything_to_tell_is_forgotten() -> None:
    lanes = Lanes()
    lanes.take([*letters("a", 1), *letters("b", 1)])
    for lane, letter in started(lanes):
        end(lanes, lane, letter, status=204 if lane.endpoint_id == "a" else 500)

    lanes.tidy(NOON)

    assert set(lanes.rooms(NOON).left) == {"b"}


def test_a_lane_that_failed_long_ago_is_forgotten_too() -> None:
    lanes = Lanes()
    lanes.take([*letters("deleted", 1), *letters("waiting", 2)])
    for lane, letter in started(lanes):
        end(lanes, lane, letter, status=500)

    lanes.tidy(NOON + rules.REMEMBERED_FOR)

    assert set(lanes.rooms(NOON).left) == {"waiting"}
