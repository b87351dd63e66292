//! Which log directory a new partition goes to: the one with the fewest, as in Kafka.

use kinglet_protocol::Uuid;

use super::image::Image;

/// Partitions per directory, the ones placed here included.
#[derive(Debug)]
pub(crate) struct Placement {
    counts: Vec<(Uuid, usize)>,
}

impl Placement {
    /// Counts what is placed already. `dirs` are in the order of the configuration.
    pub(crate) fn new(dirs: &[Uuid], image: &Image) -> Self {
        let mut counts: Vec<(Uuid, usize)> = dirs.iter().map(|dir| (*dir, 0)).collect();
        for partition in image.topics.values().flat_map(|topic| &topic.partitions) {
            if let Some((_, count)) = counts.iter_mut().find(|(dir, _)| partition.dirs.first() == Some(dir)) {
                *count += 1;
            }
        }
        Self { counts }
    }

    /// The directory of the next partition; the first of several that are alike.
    pub(crate) fn next(&mut self) -> Uuid {
        let fewest = self.counts.iter_mut().min_by_key(|(_, count)| *count);
        fewest.map_or(Uuid::ZERO, |(dir, count)| {
            *count += 1;
            *dir
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_spread_over_the_directories() {
        let dirs = [Uuid([1; 16]), Uuid([2; 16])];
        let mut placement = Placement::new(&dirs, &Image::default());
        let placed: Vec<_> = (0..4).map(|_| placement.next()).collect();
        assert_eq!(placed, [dirs[0], dirs[1], dirs[0], dirs[1]]);
    }
}
