//! BrokerRegistration.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// A broker registers with the controller (KIP-631).
    ///
    /// Version 1 says that it migrates from ZooKeeper (KIP-866), 2 brings its log directories (KIP-858), 3 the epoch of its last life
    /// (KIP-966), 4 features that begin at version 0 (KIP-1022).
    BrokerRegistrationRequest -> BrokerRegistrationResponse = 62, versions 0-4, flexible 0+;
    request {
        broker_id:              i32            [0+],
        cluster_id:             String         [0+],
        incarnation_id:         Uuid           [0+],
        listeners:              Vec<Listener>  [0+],
        features:               Vec<Feature>   [0+],
        rack:                   Option<String> [0+],
        is_migrating_zk_broker: bool           [1+],
        log_dirs:               Vec<Uuid>      [2+ ignorable],
        previous_broker_epoch:  i64            [3+ ignorable] = -1,
    }
    response {
        throttle_time_ms: i32       [0+],
        error_code:       ErrorCode [0+],
        broker_epoch:     i64       [0+] = -1,
    }
    Listener {
        name:              String [0+],
        host:              String [0+],
        port:              u16    [0+],
        security_protocol: i16    [0+],
    }
    Feature {
        name:                  String [0+],
        min_supported_version: i16    [0+],
        max_supported_version: i16    [0+],
    }
}
