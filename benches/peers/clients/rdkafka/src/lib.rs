//! The settings that both producers of the crate `rdkafka` are measured with: librdkafka's own keys.

use peers_kit::{Order, Settings, TUNED_BATCH_BYTES, TUNED_BUFFER_BYTES, TUNED_LINGER};
use rdkafka::ClientConfig;

/// The configuration of an order.
pub fn config(order: &Order) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &order.bootstrap);
    config.set("acks", "all");
    config.set("compression.type", order.codec.name());
    match order.settings {
        Settings::Defaults => {}
        Settings::Prompt => {
            config.set("linger.ms", "0");
        }
        Settings::Tuned => {
            config.set("linger.ms", TUNED_LINGER.as_millis().to_string());
            config.set("batch.size", TUNED_BATCH_BYTES.to_string());
            // Its own limit of 10,000 records would close batches of small ones early.
            config.set("batch.num.messages", "1000000");
            config.set("queue.buffering.max.messages", "10000000");
            config.set("queue.buffering.max.kbytes", (TUNED_BUFFER_BYTES / 1024).to_string());
            config.set("enable.idempotence", "true");
        }
    }
    config
}
