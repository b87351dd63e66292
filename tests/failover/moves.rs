//! Drills in which partitions move to other brokers.

use kinglet::admin::Reassignment::{Cancel, To};

use crate::drill::drill_moving;

#[test]
fn partitions_move_while_a_broker_that_is_to_have_them_is_killed() {
    drill_moving("kill -9 of a broker that partitions move to", [[1, 2], [2, 1], [1, 2]], |drill| {
        drill.hold_back(3)?;
        drill.reassign(&[(0, To(vec![2, 3])), (1, To(vec![3, 1]))])?;
        for partition in [0, 1] {
            drill.wait("the move has begun", |drill| Ok(drill.stored(3, partition)? > Some(0)))?;
        }
        drill.kill(3)?;
        drill.goes_on()?;
        drill.say("dead");
        assert_eq!(drill.moving()?, [0, 1]);

        drill.restart(3)?;
        drill.let_go(3)?;
        drill.wait("both have moved", |drill| Ok(drill.moving()?.is_empty()))?;
        drill.until_replicas([[2, 3], [3, 1], [1, 2]])?;
        drill.until("all are in sync", |p| p.isr.len() == 2 && p.leader.is_some())?;
        drill.goes_on()?;
        drill.say("moved");
        drill.wait("the old replicas are gone from the disks", |drill| {
            Ok(drill.stored(1, 0)?.is_none() && drill.stored(2, 1)?.is_none())
        })
    });
}

#[test]
fn partitions_move_away_from_a_dead_broker_which_deletes_them_when_it_is_back() {
    drill_moving("kill -9 of a broker that partitions leave", [[1, 2], [1, 2], [2, 1]], |drill| {
        drill.hold_back(3)?;
        drill.reassign(&[(0, To(vec![2, 3])), (1, To(vec![3, 2])), (2, To(vec![2, 3]))])?;
        drill.kill(1)?;
        drill.until("broker 1 leads nothing", |p| p.leader.is_some_and(|leader| leader != 1))?;
        drill.let_go(3)?;
        drill.wait("all have moved", |drill| Ok(drill.moving()?.is_empty()))?;
        drill.until_replicas([[2, 3], [3, 2], [2, 3]])?;
        drill.goes_on()?;
        drill.say("moved while it was dead");

        drill.restart(1)?;
        for partition in [0, 1, 2] {
            drill.wait("it has deleted its replica", |drill| Ok(drill.stored(1, partition)?.is_none()))?;
        }
        drill.goes_on()
    });
}

#[test]
fn a_move_that_is_taken_back_leaves_what_was_before_it() {
    drill_moving("a move taken back", [[1, 2], [2, 1], [1, 2]], |drill| {
        let leaders = drill.leaders()?;
        drill.hold_back(3)?;
        drill.reassign(&[(0, To(vec![2, 3])), (1, To(vec![3, 1]))])?;
        for partition in [0, 1] {
            drill.wait("the move has begun", |drill| Ok(drill.stored(3, partition)? > Some(0)))?;
        }
        drill.goes_on()?;
        assert_eq!(drill.moving()?, [0, 1]);

        drill.reassign(&[(0, Cancel), (1, Cancel)])?;
        drill.wait("nothing moves", |drill| Ok(drill.moving()?.is_empty()))?;
        // As in Kafka, what the move wanted to keep comes first.
        drill.until_replicas([[2, 1], [1, 2], [1, 2]])?;
        drill.until("all are in sync", |p| p.isr.len() == 2 && !p.isr.contains(&3))?;
        for partition in [0, 1] {
            drill
                .wait("what came is gone from the disk", |drill| Ok(drill.stored(3, partition)?.is_none()))?;
        }
        drill.goes_on()?;
        drill.say("taken back");
        assert_eq!(drill.leaders()?, leaders);
        Ok(())
    });
}
