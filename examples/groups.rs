//! Lists the groups of a cluster: their state, their members, and how many records each has still to read.
//!
//! `cargo run --example groups [BOOTSTRAP]`

use kinglet::admin::{GroupFilter, GroupOffsets};
use kinglet::{Admin, Client, Config, ErrorKind, Position, Result, TopicPartition};

#[tokio::main]
async fn main() -> Result<()> {
    let bootstrap = std::env::args().nth(1).unwrap_or_else(|| "localhost:9092".to_owned());
    let admin = Client::connect(Config::new(bootstrap)).await?.admin();

    let groups = match admin.list_groups(GroupFilter::all()).await {
        Ok(groups) => groups,
        Err(error) if error.kind() == ErrorKind::UnsupportedVersion => {
            println!("no groups: {error}");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    println!("{} groups", groups.len());
    let names: Vec<String> = groups.into_iter().map(|group| group.id).collect();
    for (name, described) in admin.describe_groups(names.clone()).await? {
        let group = described?;
        println!("{name}: {} with {} members", group.state, group.members.len());
    }
    for (name, committed) in admin.list_group_offsets(names.into_iter().map(GroupOffsets::all)).await? {
        let mut offsets = Vec::new();
        for (at, offset) in committed? {
            offsets.extend(offset?.map(|committed| (at, committed.offset)));
        }
        println!("{name}: {} records to read", lag(&admin, &offsets).await?);
    }
    Ok(())
}

/// The distance from the committed offsets to the ends of their partitions.
async fn lag(admin: &Admin, committed: &[(TopicPartition, i64)]) -> Result<i64> {
    let ends = admin.list_offsets(committed.iter().map(|(at, _)| (at.clone(), Position::End))).await?;
    let mut lag = 0;
    for ((_, end), (_, offset)) in ends.into_iter().zip(committed) {
        lag += end?.offset - offset;
    }
    Ok(lag)
}
