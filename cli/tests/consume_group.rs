//! `kconsume` as a member of a group: what it commits, and how it leaves.

mod local;

use std::io::{BufRead, BufReader};

use local::{KCONSUME, KPRODUCE, Local};
use rustix::process::{Signal, kill_process};

const GROUP: [&str; 5] = ["--topic", "t", "--from-beginning", "--group", "g"];

fn lines(count: usize) -> String {
    (0..count).map(|number| format!("line {number}\n")).collect()
}

#[test]
fn a_group_goes_on_behind_what_was_printed() {
    let local = Local::start();
    local.create("t", 1);
    let all = lines(10);
    local.run(KPRODUCE, &["--topic", "t"], all.as_bytes()).check(0, "");

    let first = local.run(KCONSUME, &[&GROUP[..], &["--max-messages", "4"]].concat(), b"");
    first.check(0, &lines(4));
    let rest = local.run(KCONSUME, &[&GROUP[..], &["--exit-at-end"]].concat(), b"");
    rest.check(0, all.strip_prefix(&lines(4)).expect("they are the first"));
    // Without the group everything is there, and the group does not notice.
    local.run(KCONSUME, &["--topic", "t", "--from-beginning", "--exit-at-end"], b"").check(0, &all);
}

#[test]
fn the_first_signal_commits_and_leaves_so_that_the_next_member_need_not_wait() {
    let local = Local::start();
    local.create("t", 1);
    for (signal, line) in [(Signal::INT, "one\n"), (Signal::TERM, "two\n")] {
        local.run(KPRODUCE, &["--topic", "t"], line.as_bytes()).check(0, "");
        // A session that outlasts the test: whoever comes next waits for a member that has not left.
        let session = ["--consumer-property", "session.timeout.ms=300000"];
        let mut kconsume = local.spawn(KCONSUME, &[&GROUP[..], &session].concat());
        let mut stdout = BufReader::new(kconsume.stdout.take().expect("piped"));
        let mut printed = String::new();
        stdout.read_line(&mut printed).expect("one line");
        assert_eq!(printed, line);

        kill_process(local::pid(&kconsume), signal).expect("it runs");

        let ran = local::wait(kconsume);
        ran.check(0, "");
        assert_eq!(ran.stderr, "Processed a total of 1 messages\n");
    }
}

#[test]
fn a_group_without_offsets_begins_at_the_end_unless_it_is_told_otherwise() {
    let local = Local::start();
    local.create("t", 1);
    local.run(KPRODUCE, &["--topic", "t"], b"old\n").check(0, "");

    let arguments = ["--topic", "t", "--group", "new", "--timeout-ms", "1500"];
    local.run(KCONSUME, &arguments, b"").check(0, "");
    let properties = ["--topic", "t", "--consumer-property", "group.id=other", "--consumer-property"];
    let ran = local.run(
        KCONSUME,
        &[&properties[..], &["auto.offset.reset=earliest", "--exit-at-end"]].concat(),
        b"",
    );
    ran.check(0, "old\n");
}

#[test]
fn in_kafkas_manner_a_consumer_without_a_group_joins_one_that_commits_nothing() {
    let local = Local::start();
    local.create("t", 1);
    local.run(KPRODUCE, &["--topic", "t"], b"only\n").check(0, "");
    for _ in 0..2 {
        let arguments = ["--topic", "t", "--from-beginning", "--max-messages", "1", "--compat"];
        local.run(KCONSUME, &arguments, b"").check(0, "only\n");
    }
}

#[test]
fn all_that_was_printed_at_once_is_committed_in_however_many_batches_it_came() {
    let local = Local::start();
    local.create("t", 1);
    let all = lines(10);
    local.run(KPRODUCE, &["--topic", "t"], all.as_bytes()).check(0, "");

    let one_by_one = [&GROUP[..], &["--exit-at-end", "--consumer-property", "max.poll.records=1"]].concat();
    local.run(KCONSUME, &one_by_one, b"").check(0, &all);
    local.run(KCONSUME, &[&GROUP[..], &["--exit-at-end"]].concat(), b"").check(0, "");
}
