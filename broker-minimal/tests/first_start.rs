//! A first start that was killed is gone on with by the next one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use std::net::{Ipv4Addr, TcpListener};

use wire::start;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_killed_before_its_directory_was_formatted_goes_on_with_what_the_quorum_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let [first, second] = ["first", "second"].map(|name| dir.path().join(name));
    let properties = format!(
        "node.id=3\nlisteners=PLAINTEXT://localhost:{port}\nlog.dirs={},{}\n\
         controller.quorum.bootstrap.servers=localhost:{port}",
        first.display(),
        second.display()
    );
    let broker = start(&properties).await;
    let cluster_id = broker.cluster_id().to_owned();
    broker.shutdown().await.unwrap();
    let formatted = std::fs::read_to_string(first.join("meta.properties")).unwrap();
    for dir in [&first, &second] {
        std::fs::remove_file(dir.join("meta.properties")).unwrap();
    }

    let broker = start(&properties).await;
    assert_eq!(broker.cluster_id(), cluster_id);
    broker.shutdown().await.unwrap();
    assert_eq!(std::fs::read_to_string(first.join("meta.properties")).unwrap(), formatted);
    assert!(!second.join("__cluster_metadata-0").exists());
}
