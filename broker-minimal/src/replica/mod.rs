//! What a replica decides. Cores only: the shard that owns them touches files and sockets.

pub(crate) mod partition;
