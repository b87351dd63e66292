//! DescribeUserScramCredentials.

use crate::ErrorCode;

api! {
    /// Asks for users' SCRAM mechanisms and iterations, never for secrets (KIP-554).
    DescribeUserScramCredentialsRequest -> DescribeUserScramCredentialsResponse = 50, versions 0-0, flexible 0+;
    request {
        users: Option<Vec<UserName>> [0+],
    }
    response {
        throttle_time_ms: i32                                     [0+],
        error_code:       ErrorCode                               [0+],
        error_message:    Option<String>                          [0+],
        results:          Vec<DescribeUserScramCredentialsResult> [0+],
    }
    UserName {
        name: String [0+],
    }
    DescribeUserScramCredentialsResult {
        user:             String              [0+],
        error_code:       ErrorCode           [0+],
        error_message:    Option<String>      [0+],
        credential_infos: Vec<CredentialInfo> [0+],
    }
    CredentialInfo {
        mechanism:  i8  [0+],
        iterations: i32 [0+],
    }
}
