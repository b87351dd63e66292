//! Three brokers, each a process, and what happens to them: killed, restarted, replaced, told to stop, given what others had. All the time
//! a producer (acks=all, idempotent) and a member of a group work; what was acked is there, in order and once, whatever happened.

#[path = "failover/drill.rs"]
mod drill;
#[path = "failover/moves.rs"]
mod moves;
#[path = "failover/retries.rs"]
mod retries;
#[path = "failover/workload.rs"]
mod workload;

use std::error::Error;

use drill::{Drill, drill, drill_apart, drill_of_two, drill_told};
use workload::TOPIC;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[test]
fn a_killed_follower_stops_nothing_and_comes_back_into_the_isr_while_leaders_stay() {
    drill("kill -9 of a follower", [2, 3, 2], |drill| {
        drill.kill(1)?;
        drill.until("broker 1 is in no ISR", |p| !p.isr.contains(&1) && p.isr.len() == 2)?;
        let leaders = drill.leaders()?;
        assert_eq!(leaders, [Some(2), Some(3), Some(2)]);
        drill.goes_on()?;
        drill.say("dead");

        drill.restart(1)?;
        drill.until("broker 1 is in every ISR", |p| p.isr.len() == 3)?;
        drill.goes_on()?;
        assert_eq!(drill.leaders()?, leaders);
        drill.say("back on its directory");
        Ok(())
    });
}

#[test]
fn another_broker_leads_when_the_leader_is_killed() {
    drill("kill -9 of a leader", [2, 2, 3], |drill| {
        drill.kill(2)?;
        drill.until("broker 2 leads nothing", |p| p.leader.is_some_and(|leader| leader != 2))?;
        drill.until("broker 2 is in no ISR", |p| !p.isr.contains(&2) && p.isr.len() == 2)?;
        drill.goes_on()?;
        drill.say("dead");
        let leaders = drill.leaders()?;

        drill.restart(2)?;
        drill.until("broker 2 is in every ISR", |p| p.isr.len() == 3)?;
        drill.goes_on()?;
        assert_eq!(drill.leaders()?, leaders);
        drill.say("back on its directory");
        Ok(())
    });
}

#[test]
fn the_metadata_goes_on_when_its_leader_is_killed() {
    drill("kill -9 of the metadata leader", [1, 2, 3], |drill| {
        let active = drill.metadata_leader()?;
        drill.kill(active)?;
        drill.until("it leads nothing", |p| p.leader.is_some_and(|leader| leader != active))?;
        drill.until("it is in no ISR", |p| !p.isr.contains(&active) && p.isr.len() == 2)?;
        drill.goes_on()?;
        drill.say("dead");
        assert_ne!(drill.metadata_leader()?, active);

        drill.restart(active)?;
        drill.until("it is in every ISR", |p| p.isr.len() == 3)?;
        drill.goes_on()?;
        drill.say("back on its directory");
        Ok(())
    });
}

#[test]
fn an_empty_directory_under_the_same_id_gets_everything_again() {
    drill("a broker whose disk was replaced", [2, 3, 2], |drill| {
        drill.kill(1)?;
        drill.until("broker 1 is in no ISR", |p| !p.isr.contains(&1))?;
        drill.brokers.restart_empty(1)?;
        drill.until("broker 1 is in every ISR", |p| p.isr.len() == 3)?;
        drill.goes_on()?;
        // It has all of it: one of the others may go now.
        drill.kill(2)?;
        drill.until("broker 2 leads nothing", |p| p.leader.is_some_and(|leader| leader != 2))?;
        drill.goes_on()?;
        drill.say("replaced, and then another killed");
        drill.restart(2)?;
        drill.until("all are in every ISR", |p| p.isr.len() == 3)
    });
}

#[test]
fn others_lead_before_a_broker_stops() {
    drill("SIGTERM of a leader", [1, 2, 3], |drill| {
        let status = drill.brokers.stop(1)?;
        assert!(status.success(), "{status}");
        drill.until("broker 1 leads nothing", |p| p.leader.is_some_and(|leader| leader != 1))?;
        drill.goes_on()?;
        drill.say("stopped");
        drill.restart(1)?;
        drill.until("broker 1 is in every ISR", |p| p.isr.len() == 3)?;
        drill.goes_on()?;
        drill.say("back");
        Ok(())
    });
}

#[test]
fn others_lead_what_lay_on_a_disk_that_has_failed() {
    drill_told("a leader's log directory fails", [2, 3, 2], &["log.roll.ms=200"], |drill| {
        // Segments of this topic cannot be made there any more.
        let lost = drill.brokers.data_dir(2)?;
        for partition in 0..3 {
            std::fs::remove_dir_all(lost.join(format!("{TOPIC}-{partition}")))?;
        }
        drill.until("broker 2 leads nothing", |p| p.leader.is_some_and(|leader| leader != 2))?;
        drill.until("broker 2 is in no ISR", |p| !p.isr.contains(&2) && p.isr.len() == 2)?;
        drill.goes_on()?;
        drill.say("failed");
        let said = drill.brokers.lines(2)?.join("\n");
        assert!(said.contains("every log directory has failed"), "{said}");

        drill.kill(2)?;
        drill.brokers.restart_empty(2)?;
        drill.until("broker 2 is in every ISR", |p| p.isr.len() == 3)?;
        drill.goes_on()?;
        drill.say("replaced");
        Ok(())
    });
}

#[test]
fn deleted_records_do_not_come_back_with_another_leader() {
    drill("kill -9 of a leader after a deletion", [2, 3, 2], |drill| {
        for _ in 0..5 {
            drill.write_aside()??;
        }
        assert_eq!(drill.first_aside()?, 0);
        assert_eq!(drill.delete_aside(3)?, 3);
        drill.kill(1)?;
        drill.until("broker 1 is in no ISR", |p| !p.isr.contains(&1))?;
        assert_eq!(drill.first_aside()?, 3);
        drill.goes_on()?;
        drill.restart(1)?;
        drill.until("broker 1 is in every ISR", |p| p.isr.len() == 3)
    });
}

#[test]
fn all_of_them_killed_lose_nothing() {
    drill("kill -9 of all three", [1, 2, 3], |drill| {
        for id in [2, 3, 1] {
            drill.kill(id)?;
        }
        for id in [3, 1, 2] {
            drill.brokers.spawn(id)?;
        }
        for id in [1, 2, 3] {
            drill.brokers.wait_ready(id)?;
        }
        drill.until("all are in every ISR", |p| p.isr.len() == 3)?;
        drill.goes_on()?;
        drill.say("dead and back");
        Ok(())
    });
}

#[test]
fn with_two_of_three_dead_the_survivor_is_read_and_refuses_writes_until_one_comes_back() {
    drill("kill -9 of two", [1, 2, 3], |drill| {
        drill.kill(2)?;
        drill.until("broker 2 is in no ISR", |p| !p.isr.contains(&2))?;
        drill.kill(3)?;
        // The whole list still leads to the one that lives.
        let led: Vec<i32> =
            (0..).zip(drill.leaders()?).filter(|(_, l)| *l == Some(1)).map(|(p, _)| p).collect();
        assert!(led.contains(&0), "{led:?}");
        let read = drill.read(&led)?;
        assert!(read.values().all(|records| !records.is_empty()), "what it leads is read");
        let error = drill.write_aside()?.expect_err("nobody else has it").to_string();
        println!("  a write: {error}");
        assert!(error.contains("did not answer Produce within 1s"), "{error}");
        drill.say("two dead");

        drill.restart(2)?;
        drill.until("all partitions are led", |p| p.leader.is_some_and(|leader| leader != 3))?;
        drill.goes_on()?;
        drill.say("one back");
        drill.restart(3)?;
        drill.until("all are in every ISR", |p| p.isr.len() == 3)
    });
}

#[test]
fn a_list_of_one_dead_address_says_so() {
    drill("a bootstrap list of dead addresses", [2, 3, 2], |drill| {
        let dead = drill.brokers.address(1)?;
        drill.kill(1)?;
        let error = drill.connect(&dead).expect_err("nobody is there").to_string();
        println!("  {error}");
        assert!(error.contains(&dead), "{error}");
        // Behind the dead one are others.
        let all = drill.brokers.bootstrap();
        assert!(all.starts_with(&dead), "{all}");
        drill.connect(&all)?;
        drill.restart(1)?;
        drill.until("broker 1 is in every ISR", |p| p.isr.len() == 3)
    });
}

#[test]
fn with_controllers_apart_the_survivor_of_three_brokers_serves_reads_and_writes() {
    drill_apart(
        "kill -9 of two brokers, controllers apart",
        [1, 2, 3],
        &["min.insync.replicas=1"],
        |drill| {
            drill.kill(2)?;
            drill.kill(3)?;
            drill.until("broker 1 leads alone", |p| p.leader == Some(1) && p.isr == [1])?;
            drill.goes_on()?;
            let read = drill.read(&[0, 1, 2])?;
            assert!(read.values().all(|records| !records.is_empty()), "all of it is read");
            drill.write_aside()??;
            drill.say("two dead");

            drill.restart(2)?;
            drill.restart(3)?;
            drill.until("all are in every ISR", |p| p.isr.len() == 3)?;
            drill.goes_on()?;
            drill.say("both back");
            Ok(())
        },
    );
}

#[test]
fn a_controller_apart_is_killed_while_another_leads_partitions_on() {
    drill_apart("kill -9 of the metadata leader, controllers apart", [1, 2, 3], &[], |drill| {
        let active = drill.metadata_leader()?;
        assert!(active > 10, "brokers do not vote: {active}");
        let leaders = drill.leaders()?;
        drill.kill(active)?;
        drill.goes_on()?;
        drill.say("dead");
        assert_eq!(drill.leaders()?, leaders);
        assert_ne!(drill.metadata_leader()?, active);
        // The new one does what the old one did.
        drill.kill(2)?;
        drill.until("broker 2 leads nothing", |p| p.leader.is_some_and(|leader| leader != 2))?;
        drill.restart(active)?;
        drill.restart(2)?;
        drill.until("all are in every ISR", |p| p.isr.len() == 3)?;
        drill.goes_on()?;
        drill.say("both back");
        let status = drill.brokers.stop(drill.metadata_leader()?)?;
        assert!(status.success(), "{status}");
        drill.goes_on()
    });
}

#[test]
fn leaders_stay_when_a_broker_comes_back_and_kelect_gives_the_preferred_one_its_partitions() {
    let options = ["min.insync.replicas=1", "auto.leader.rebalance.enable=false"];
    drill_of_two("the election drill, by kelect", &options, |drill| {
        let (none, three) = (drill.send_with_retries(0)?, drill.send_with_retries(3)?);
        kill_and_restart_1(drill, |drill| {
            drill.sends_on(&none)?;
            drill.sends_on(&three)
        })?;
        assert_eq!(drill.leaders()?, [Some(2), Some(2)], "leaders stay");
        drill.say("back");

        drill.elect()?;
        drill.until_preferred()?;
        drill.goes_on()?;
        drill.sends_on(&none)?;
        drill.sends_on(&three)?;
        drill.say("elected by kelect");

        let (none, three) = (drill.fates(none)?, drill.fates(three)?);
        println!("  retries=0: {none}\n  retries=3: {three}");
        assert!(none.failed > 0, "without retries failures are reported");
        assert_eq!(three.failed, 0, "three retries are enough");
        Ok(())
    });
}

#[test]
fn the_preferred_one_gets_its_partitions_back_without_being_asked() {
    let options = [
        "min.insync.replicas=1",
        "auto.leader.rebalance.enable=true",
        "leader.imbalance.check.interval.seconds=1",
    ];
    drill_of_two("the election drill, by itself", &options, |drill| {
        let three = drill.send_with_retries(3)?;
        kill_and_restart_1(drill, |drill| drill.sends_on(&three))?;
        drill.until_preferred()?;
        drill.goes_on()?;
        drill.sends_on(&three)?;
        drill.say("back, and elected by itself");
        let three = drill.fates(three)?;
        println!("  retries=3: {three}");
        assert_eq!(three.failed, 0, "three retries are enough");
        Ok(())
    });
}

/// Broker 1 is killed, broker 2 leads alone; broker 1 is back in the ISR.
fn kill_and_restart_1(drill: &mut Drill<'_>, sends_on: impl Fn(&Drill<'_>) -> Fallible<()>) -> Fallible<()> {
    drill.kill(1)?;
    drill.until("broker 2 leads, alone in the ISR", |p| p.leader == Some(2) && p.isr == [2])?;
    drill.goes_on()?;
    sends_on(drill)?;
    drill.say("dead");
    drill.restart(1)?;
    drill.until("broker 1 is in every ISR", |p| p.isr.len() == 2)?;
    drill.goes_on()?;
    sends_on(drill)
}
