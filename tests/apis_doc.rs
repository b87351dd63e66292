//! `docs/APIS.md` is what the registry, the client and a running broker say: `KINGLET_BLESS=1 cargo test -p kinglet-harness --test
//! apis_doc` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use kinglet_broker::{Broker, Config};
use kinglet_harness::golden::advertised;
use kinglet_protocol::messages::{DATA, REGISTRY};
use kinglet_protocol::releases::Origin;
use kinglet_protocol::{ApiKey, VersionRange};

const HEAD: &str = "\
# APIs

The messages of Kafka's protocol, and in which versions Kinglet speaks them. *Codec*: what `kinglet-protocol` reads and writes, and what
`Client::request` and `kapi` send. *Client*: what the producer, the consumer and the admin of `kinglet` ask for by themselves. *Broker*: what `kbroker` serves.
*Since*: the release of Apache Kafka that brought the API. A test keeps this file true; `KINGLET_BLESS=1 cargo test -p kinglet-harness --test apis_doc` writes it anew.

| API | key | since | codec | flexible from | client | broker |
|---|--:|---|---|---|---|---|
";

const DATA_HEAD: &str = "
## Stored and embedded messages

Records of brokers' own logs, and messages that travel inside the bytes of others; all are the codec's.

| message | type | versions | flexible from |
|---|---|---|---|
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_is_what_codec_client_and_broker_say() {
    let broker = Broker::start(Config::ephemeral().expect("a directory")).await.expect("the broker starts");
    let address = broker.bootstrap().to_owned();
    let served = tokio::task::spawn_blocking(move || served(&address)).await.expect("an answer");
    broker.shutdown().await.expect("a clean stop");
    let client: BTreeMap<ApiKey, VersionRange> = kinglet::api_versions().into_iter().collect();
    let wanted = document(&client, &served);

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/APIS.md");
    if std::env::var_os("KINGLET_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &wanted).expect("docs/APIS.md can be written");
    }
    let found = std::fs::read_to_string(&path).expect("docs/APIS.md can be read");
    assert_eq!(found, wanted, "docs/APIS.md is not true any more; KINGLET_BLESS=1 writes it anew");
}

/// What a running broker advertises.
fn served(address: &str) -> BTreeMap<ApiKey, VersionRange> {
    let mut stream = TcpStream::connect(address).expect("the broker listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let mut ranges = BTreeMap::<ApiKey, VersionRange>::new();
    for (info, version) in advertised(&mut stream).expect("an answer") {
        let range = ranges.entry(info.key).or_insert(VersionRange::new(version, version));
        *range = VersionRange::new(range.first.min(version), range.last.max(version));
    }
    ranges
}

fn document(client: &BTreeMap<ApiKey, VersionRange>, served: &BTreeMap<ApiKey, VersionRange>) -> String {
    let mut text = HEAD.to_owned();
    for api in REGISTRY {
        let since = Origin::of(api.key).map_or_else(String::new, |origin| origin.to_string());
        let cell = |range: Option<&VersionRange>| range.map_or_else(String::new, |range| shown(*range));
        let row = [
            api.key.name().to_owned(),
            api.key.0.to_string(),
            since.trim_start_matches("Kafka >= ").to_owned(),
            shown(api.versions),
            flexible(api.flexible_from, api.versions),
            cell(client.get(&api.key)),
            cell(served.get(&api.key)),
        ];
        writeln!(text, "| {} |", row.join(" | ")).expect("text grows");
    }
    text.push_str(DATA_HEAD);
    for data in DATA {
        let id = data.id.map_or_else(String::new, |id| id.to_string());
        let row =
            [data.name.to_owned(), id, shown(data.versions), flexible(data.flexible_from, data.versions)];
        writeln!(text, "| {} |", row.join(" | ")).expect("text grows");
    }
    text
}

fn shown(range: VersionRange) -> String {
    if range.first == range.last {
        range.first.to_string()
    } else {
        format!("{}-{}", range.first, range.last)
    }
}

fn flexible(from: i16, versions: VersionRange) -> String {
    if from <= versions.last { from.to_string() } else { "none".to_owned() }
}
