//! AlterUserScramCredentials.

use bytes::Bytes;

use crate::ErrorCode;

api! {
    /// Sets or deletes users' SCRAM credentials (KIP-554).
    AlterUserScramCredentialsRequest -> AlterUserScramCredentialsResponse = 51, versions 0-0, flexible 0+;
    request {
        deletions:  Vec<ScramCredentialDeletion>  [0+],
        upsertions: Vec<ScramCredentialUpsertion> [0+],
    }
    response {
        throttle_time_ms: i32                                  [0+],
        results:          Vec<AlterUserScramCredentialsResult> [0+],
    }
    ScramCredentialDeletion {
        name:      String [0+],
        mechanism: i8     [0+],
    }
    ScramCredentialUpsertion {
        name:            String [0+],
        mechanism:       i8     [0+],
        iterations:      i32    [0+],
        salt:            Bytes  [0+],
        salted_password: Bytes  [0+],
    }
    AlterUserScramCredentialsResult {
        user:          String         [0+],
        error_code:    ErrorCode      [0+],
        error_message: Option<String> [0+],
    }
}
