//! A broker inside a test or a service: started on a free port, gone at the end.
//!
//! `cargo run --example embedded`

use kinglet::{Client, Config, Record};
use kinglet_broker::Broker;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broker = Broker::start(kinglet_broker::Config::ephemeral()?).await?;
    let client = Client::connect(Config::new(broker.bootstrap())).await?;

    // The topic is created by its first use, as with Kafka's defaults.
    let ack = client.producer()?.send(Record::to("greetings").value("hello")).await?;
    println!("offset {:?} on the broker at {}", ack.offset, broker.bootstrap());

    broker.shutdown().await?;
    Ok(())
}
