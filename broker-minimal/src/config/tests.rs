use super::*;

fn refusal(text: &str) -> String {
    Config::from_properties(text).unwrap_err().to_string()
}

#[test]
fn the_table_is_sorted_and_its_defaults_are_valid() {
    assert!(BROKER_KEYS.is_sorted_by_key(|key| key.name));
    for key in BROKER_KEYS {
        if let Some(default) = key.default {
            assert_eq!(key.kind.check(key.name, default), Ok(()));
        }
    }
}

#[test]
fn a_file_of_kafka_0_9_is_understood() {
    let text = "broker.id=2\nport=9093\nhost.name=10.0.0.1\nlog.dirs=/a,/b\nnum.partitions=3\n\
                num.io.threads=8\nlog.retention.hours=24\nzookeeper.connect=zk:2181/kafka\n\
                num.recovery.threads.per.data.dir=1\nsocket.send.buffer.bytes=102400\n";
    let config = Config::from_properties(text).unwrap();
    assert_eq!((config.node_id, config.num_partitions, config.io_threads), (2, 3, 8));
    assert_eq!(config.listeners[0].to_string(), "PLAINTEXT://10.0.0.1:9093");
    assert_eq!(config.log_dirs, [PathBuf::from("/a"), PathBuf::from("/b")]);
    assert_eq!(config.log.retention_ms, 86_400_000);
    let notices = config.notices();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(notices[0].contains("no ZooKeeper is needed"));
    assert!(notices[1].ends_with("num.recovery.threads.per.data.dir, socket.send.buffer.bytes"));
}

#[test]
fn an_unknown_key_is_reported_with_the_nearest_name() {
    let config = Config::from_properties("log.retention.hour=1\nxyzzy=1\n").unwrap();
    assert_eq!(
        config.notices(),
        [
            "log.retention.hour: unknown configuration, did you mean log.retention.hours?",
            "xyzzy: unknown configuration"
        ]
    );
}

#[test]
fn a_bad_value_names_line_key_and_value() {
    assert_eq!(
        refusal("\nnum.partitions=many\n"),
        "line 2: Invalid value many for configuration num.partitions: Not a number of type INT"
    );
    assert!(refusal("log.dirs=/a,/a").starts_with("line 1: Invalid value /a,/a for configuration log.dirs"));
    assert!(refusal("a.b=1\nlisteners=nonsense").starts_with("line 2: Invalid value nonsense"));
}

#[test]
fn a_comment_behind_a_value_is_named_as_such() {
    assert_eq!(
        refusal("log.retention.hours=168 # a week"),
        "line 1: Invalid value 168 # a week for configuration log.retention.hours: it has a comment in it \
         (a # comment after a value is not part of the format: write log.retention.hours=168)"
    );
    assert!(refusal("log.dirs=/data # here").contains("write log.dirs=/data)"));
}

#[test]
fn an_override_goes_before_the_file() {
    let mut config = Config::from_properties("num.partitions=3").unwrap();
    config.set("num.partitions", "4").unwrap();
    assert_eq!(config.num_partitions, 4);
    let error = config.set("num.partitions", "0").unwrap_err().to_string();
    assert_eq!(error, "Invalid value 0 for configuration num.partitions: Value must be at least 1");
}

#[test]
fn a_port_that_was_asked_for_holds_whatever_is_set_after_it() {
    let mut config = Config::ephemeral().expect("a temporary folder");
    config.set("num.partitions", "3").expect("a number");
    assert_eq!((config.listeners[0].port, config.advertised[0].port), (0, 0));
    assert!(config.is_ephemeral() && config.log_dirs[0].exists());
}
