//! `kconfigs` beside kafka-configs.

use super::world::{CONFIGS, World};

const TOOL: &str = "kconfigs";

pub(crate) fn configure_topics(world: &mut World) {
    let lines = "retention.ms=7000000\n# a comment\ncleanup.policy=compact,delete\n";
    let file = world.file("cfg.properties", lines);
    world.all_same(
        CONFIGS,
        TOOL,
        &[
            "--entity-type topics --entity-name cfg --alter --add-config retention.ms=7200000,cleanup.policy=[compact,delete]",
            "--entity-type topics --entity-name cfg --describe",
            "--alter --topic cfg --delete-config retention.ms --add-config segment.bytes=2000000",
            "--describe --topic cfg",
            "--describe --topic cfg --all",
            &format!("--alter --topic cfg --add-config-file {file}"),
            "--describe --entity-type topics",
            // What is not set, and what nobody knows, can be taken back.
            "--alter --topic cfg --delete-config retention.ms,flush.ms",
            "--alter --topic cfg --delete-config nosuch",
            "--describe --topic cfg",
            "--describe --topic nosuch --compat",
        ],
    );
    world.all_refused(
        CONFIGS,
        TOOL,
        &[
            "--alter --topic nosuch --add-config retention.ms=1",
            "--alter --topic cfg --add-config retention.ms=soon",
            "--alter --topic cfg --add-config nosuch.key=1",
            "--alter --topic cfg --add-config a",
            "--alter --topic cfg --add-config a:b=1",
            "--alter --topic cfg",
            "--alter --topic cfg --add-config-file /nonexistent",
            &format!("--alter --topic cfg --add-config a=b --add-config-file {file}"),
            "--alter --entity-type topics --add-config a=b",
            "--describe --entity-type topics --entity-default",
            "--describe --entity-type topics --topic cfg",
            "--describe --topic cfg --add-config a=b",
            "--describe --alter --topic cfg",
            "--describe",
            "--topic cfg",
        ],
    );
    // Kafka's names an exception, without a word.
    world.refused_in_other_words(CONFIGS, TOOL, &["--describe", "--topic", "nosuch", "--all"]);
    world.refused_in_other_words(CONFIGS, TOOL, &["--describe", "--entity-type", "nosuch"]);
    world.refused_in_other_words(CONFIGS, TOOL, &["--alter", "--topic", "cfg", "--add-config"]);
}

pub(crate) fn configure_brokers(world: &mut World) {
    world.all_same(
        CONFIGS,
        TOOL,
        &[
            "--alter --broker-defaults --add-config log.cleaner.threads=2,max.connections.per.ip=8000",
            "--describe --broker-defaults",
            "--describe --entity-type brokers --entity-default --all",
            "--alter --entity-type brokers --entity-default --delete-config log.cleaner.threads",
            "--alter --broker-defaults --delete-config log.cleaner.threads",
            "--alter --broker 2 --add-config max.connections.per.ip=9000",
            "--describe --entity-type brokers",
            "--describe --broker 2",
            "--describe --broker 2 --all",
            "--describe --broker 9 --compat",
            // Brokers keep what they do not know: a plugin may.
            "--alter --broker 2 --add-config nosuch=1",
            "--alter --broker 2 --delete-config nosuch",
        ],
    );
    world.all_refused(
        CONFIGS,
        TOOL,
        &[
            "--alter --broker 2 --add-config node.id=9",
            "--alter --broker 2 --add-config message.max.bytes=many",
            "--alter --entity-type brokers --delete-config log.cleaner.threads",
            "--describe --broker x",
        ],
    );
}

/// The levels of what a broker logs: other loggers in other programs, but each has a root.
pub(crate) fn configure_loggers(world: &mut World) {
    world.all_same(
        CONFIGS,
        TOOL,
        &[
            "--describe --broker-logger 1",
            "--alter --broker-logger 1 --add-config root=WARN",
            "--describe --broker-logger 1 --all",
            "--describe --broker-logger 9 --compat",
        ],
    );
    world.all_refused(
        CONFIGS,
        TOOL,
        &[
            "--alter --broker-logger 1 --delete-config root",
            "--alter --broker-logger 1 --add-config root=LOUD",
            "--describe --broker-logger x",
            "--describe --entity-type broker-loggers",
        ],
    );
    // Kafka's tool asks first which loggers there are.
    let unknown = ["--alter", "--broker-logger", "1", "--add-config", "nosuch=DEBUG"];
    world.refused_in_other_words(CONFIGS, TOOL, &unknown);
    assert!(world.ours(TOOL, &unknown).stderr.contains("Logger nosuch does not exist!"));
}

pub(crate) fn configure_others(world: &mut World) {
    world.all_same(
        CONFIGS,
        TOOL,
        &[
            "--describe --group g --compat",
            "--alter --group g --add-config consumer.session.timeout.ms=46000",
            "--describe --group g",
            "--describe --group g --all",
            "--describe --entity-type groups",
            "--alter --group g --delete-config consumer.session.timeout.ms",
            "--describe --entity-type groups",
            "--describe --client-metrics m --compat",
            "--alter --client-metrics m --add-config interval.ms=60000,match=[client_id=a.*,client_software_name=b.*]",
            "--describe --client-metrics m --all",
            "--describe --entity-type client-metrics",
            "--alter --client-metrics m --delete-config interval.ms,match",
            "--describe --client-metrics m --compat",
        ],
    );
    world.all_refused(
        CONFIGS,
        TOOL,
        &[
            "--alter --group g --add-config nosuch=1",
            "--alter --group g --add-config consumer.session.timeout.ms=5",
            "--alter --client-metrics m --add-config nosuch=1",
            "--alter --client-metrics m --add-config interval.ms=5",
            "--alter --client-metrics m --add-config match=[x=y]",
            "--alter --entity-type groups --add-config a=b",
        ],
    );
}

/// What kbrokers have not: both tools are told so.
pub(crate) fn configure_what_is_not_there(world: &mut World) {
    world.all_same(CONFIGS, TOOL, &["--describe --entity-type groups"]);
    world.all_refused(
        CONFIGS,
        TOOL,
        &[
            "--describe --group g",
            "--describe --group g --all",
            "--alter --group g --add-config consumer.session.timeout.ms=46000",
            "--describe --client-metrics m --all",
            "--alter --client-metrics m --add-config interval.ms=60000",
        ],
    );
    world.refused_in_other_words(CONFIGS, TOOL, &["--describe", "--client-metrics", "m"]);
    world.refused_in_other_words(CONFIGS, TOOL, &["--describe", "--entity-type", "client-metrics"]);
}
