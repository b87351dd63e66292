//! Sends requests that the client has no method for, and reads the typed answers.
//!
//! `cargo run --example raw_request [BOOTSTRAP]`

use kinglet::protocol::messages::{ApiVersionsRequest, MetadataRequest};
use kinglet::protocol::{ApiKey, ErrorCode};
use kinglet::{Client, Config, Target};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bootstrap = std::env::args().nth(1).unwrap_or_else(|| "localhost:9092".to_owned());
    let client = Client::connect(Config::new(bootstrap)).await?;

    // In the best version that both sides know, to whoever answers.
    let nothing = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
    let metadata = client.request(nothing, Target::Any).await?;
    println!("cluster {:?}, controller {}", metadata.cluster_id, metadata.controller_id);

    for broker in metadata.brokers {
        // To one broker, in a version of one's own choice, here the one that all brokers since 0.10 have. `Target::Group` would find a group's coordinator.
        let target = Target::Broker(broker.node_id);
        let question = ApiVersionsRequest {
            client_software_name: "raw-request".to_owned(),
            client_software_version: "1".to_owned(),
        };
        let answer = client.request_version(question, 0, target).await?;
        if answer.error_code != ErrorCode::NONE {
            return Err(answer.error_code.message().into());
        }
        println!("broker {} at {}:{} serves", broker.node_id, broker.host, broker.port);
        for api in answer.api_keys {
            println!("  {} {} to {}", ApiKey(api.api_key), api.min_version, api.max_version);
        }
    }
    Ok(())
}
