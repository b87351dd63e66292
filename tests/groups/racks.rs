//! Members in racks.

use crate::fixture::{Site, read_until, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_shares_out_again_when_replicas_are_in_another_rack() {
    let mut site = Site::start();
    site.create("t", 2).await;
    let settings = [("client.rack", "near"), ("metadata.max.age.ms", "50")];
    let member = site.member("g", &settings).await.consumer(["t"]).await.expect("it joins");
    let generation = || member.group().map(|group| group.generation);
    soon("it has all", || member.assignment().len() == 2).await;
    let before = generation();
    // That a broker comes back is no news.
    site.restart();
    site.send("t", 0..10).await;
    assert_eq!(read_until(&member, 10).await, (0..10).collect());
    assert_eq!(generation(), before);
    site.restart_with(&["broker.rack=near"]);
    soon("it has shared out again", || generation() > before).await;
}
