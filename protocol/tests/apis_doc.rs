//! `docs/APIS.md` is written from the registry: `KINGLET_BLESS=1 cargo test -p kinglet-protocol --test apis_doc`.

use std::fmt::Write;
use std::path::Path;

use kinglet_protocol::messages::REGISTRY;

const HEAD: &str = "\
# APIs

The requests of Kafka's protocol that Kinglet's codec reads and writes, and in which versions. A test keeps this file equal to the
tables in `protocol/src/messages`; `KINGLET_BLESS=1 cargo test -p kinglet-protocol --test apis_doc` writes it anew.

| API | key | codec | flexible from |
|---|--:|---|---|
";

#[test]
fn the_document_is_what_the_registry_says() {
    let mut wanted = HEAD.to_owned();
    for api in REGISTRY {
        let (first, last) = (api.versions.first, api.versions.last);
        let flexible =
            if api.flexible_from <= last { api.flexible_from.to_string() } else { "none".to_owned() };
        writeln!(wanted, "| {} | {} | {first}-{last} | {flexible} |", api.key.name(), api.key.0)
            .expect("text grows");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/APIS.md");
    if std::env::var_os("KINGLET_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &wanted).expect("docs/APIS.md can be written");
    }
    let found = std::fs::read_to_string(&path).expect("docs/APIS.md can be read");
    assert_eq!(found, wanted, "docs/APIS.md is not what the registry says; KINGLET_BLESS=1 writes it anew");
}
