//! Creates a topic, describes it, adds partitions, changes its configuration, deletes it.
//!
//! `cargo run --example admin [BOOTSTRAP]`

use kinglet::admin::{ConfigChange, ConfigResource, NewPartitions, NewTopic};
use kinglet::{Client, Config};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bootstrap = std::env::args().nth(1).unwrap_or_else(|| "localhost:9092".to_owned());
    let admin = Client::connect(Config::new(bootstrap)).await?.admin();
    let name = "admin-example";

    for (topic, created) in
        admin.create_topics([NewTopic::new(name, 3, 1).config("retention.ms", "3600000")]).await?
    {
        println!("created {topic} with id {}", created?.id);
    }
    for (topic, added) in admin.create_partitions([NewPartitions::to(name, 4)]).await? {
        added?;
        println!("{topic} has 4 partitions now");
    }
    let resource = ConfigResource::Topic(name.to_owned());
    let change = ConfigChange::Set("retention.ms".to_owned(), "7200000".to_owned());
    for (_, changed) in admin.incremental_alter_configs([(resource, vec![change])]).await? {
        changed?;
    }
    for (_, described) in admin.describe_topics([name]).await? {
        for partition in described?.partitions {
            println!(
                "partition {}: leader {:?}, isr {:?}",
                partition.partition, partition.leader, partition.isr
            );
        }
    }
    for (topic, deleted) in admin.delete_topics([name]).await? {
        deleted?;
        println!("deleted {topic}");
    }
    Ok(())
}
