//! Random walks of the planner over a simulated cluster: looks that are old when they are acted upon,
//! operators that stop anywhere or do not know that they were replaced, servers, pods, nodes and volumes
//! that go, people who change their minds. Whatever happens,
//!
//! - nothing acknowledged is lost (`servers.rs` checks each election),
//! - no two voters are away because the operator restarted them,
//! - no more observers are away by its doing than may be,
//! - every member has a place for its pod,
//! - and when nothing disturbs any more, everything comes to be as wished, and then rests.

pub(in crate::ensemble) mod dice;
mod follies;
mod observers;
mod pods;
pub(in crate::ensemble) mod servers;
mod volumes;
mod world;

use dice::Dice;
use follies::Folly;
use world::{SetVersion, World};

use super::{Plan, Step, plan_towards};
use crate::crd::condition_type;
use crate::ensemble::observe::Observed;

/// Walks in a run of the unit tests; `QUORATE_WALKS` asks for more.
const WALKS: u64 = 3_000;

/// Events of a walk while things go wrong.
const EVENTS: u64 = 120;

/// Walks in which each known mistake must be found.
const FOLLY_WALKS_MAX: u64 = 10_000;

/// How long a voter may be unavailable in every second walk: a part of a walk's time.
const REPLACE_AFTER_S: i64 = 40;

/// Rounds without a disturbance in which everything must be as wished.
const ROUNDS_MAX: u32 = 400;

/// Looks at the world as it is, and plans by that.
fn look(world: &World, dice: &mut Dice, silent_percent: u64) -> (Observed, Plan) {
    let observed = world.observe(dice, silent_percent);
    let (ensemble, template) = (world.ensemble(), world.template());
    let plan = plan_towards(
        &ensemble,
        &|_| template.clone(),
        &observed,
        world.timestamp(),
    );
    (observed, plan)
}

/// An operator in the middle of a reconcile.
#[derive(Default)]
struct Operator {
    folly: Option<Folly>,
    plan: Option<(Plan, u64, Option<SetVersion>)>,
    stage: u8,
}

impl Operator {
    fn with(folly: Option<Folly>) -> Self {
        Self {
            folly,
            ..Self::default()
        }
    }

    /// Goes on by one call to the outside; `works` tells whether it holds the Lease.
    fn go_on(&mut self, world: &mut World, dice: &mut Dice, silent_percent: u64, works: bool) {
        let Some((plan, object, seen)) = self.plan.clone() else {
            if works {
                let (observed, mut plan) = look(world, dice, silent_percent);
                if let Some(folly) = self.folly {
                    folly.spoil(&mut plan, world, &observed);
                }
                self.plan = Some((plan, world.object_version(), world.set_version()));
                self.stage = 0;
            }
            return;
        };
        self.stage += 1;
        match self.stage {
            1 if works => {
                if !world.latch(&plan, object) {
                    self.plan = None;
                }
            }
            2 if works => {
                if !world.wish.suspend && !world.apply(&plan, seen) {
                    self.plan = None;
                }
                if self.folly == Some(Folly::ForgetsMembers) {
                    world.forget_members();
                }
            }
            3 => {
                // A change of the members that was asked for may come very late; it is conditional.
                // Everything else is over before another operator can hold the Lease.
                let late = |step: &Step| !matches!(step, Step::Form { .. } | Step::Restart { .. });
                if let Some(step) = &plan.step
                    && (works || (late(step) && dice.percent(50)))
                {
                    world.carry_out(step, dice);
                }
                self.plan = None;
            }
            _ => self.plan = None,
        }
    }
}

/// One event of a disturbed world.
fn disturb(world: &mut World, dice: &mut Dice, operators: &mut [Operator; 2], works: &mut usize) {
    world.now += i64::try_from(dice.below(6)).unwrap();
    let ids: Vec<u8> = world.pods.keys().copied().collect();
    match dice.below(100) {
        0..45 => {
            let which = usize::try_from(dice.below(2)).unwrap();
            let which = if dice.percent(80) { *works } else { which };
            let holds = which == *works;
            operators[which].go_on(world, dice, 8, holds);
        }
        45..60 => world.kubernetes(dice, false),
        60..68 => world.servers.elect(dice),
        68..76 => {
            if let Some(id) = dice.of(&ids) {
                world.servers.level(id);
            }
        }
        76..84 => {
            world.servers.propose(None, dice);
        }
        84 => {
            if let Some(id) = dice.of(&ids) {
                world.tell(&format!("the process of {id} ends"));
                world.crash(id);
            }
        }
        85 => {
            if let Some(id) = dice.of(&ids) {
                world.tell(&format!("pod {id} goes"));
                world.lose_pod(id);
            }
        }
        86 => {
            if let Some(id) = dice.of(&ids)
                && world.servers.may_lose(id)
            {
                world.tell(&format!("volume {id} is lost"));
                world.lose_disk(id);
            }
        }
        87..89 => operators[*works].plan = None,
        89 => {
            world.tell("another operator works");
            *works = 1 - *works;
            // Who lost the Lease has ended: this is another process.
            operators[*works].plan = None;
        }
        90..92 => {
            let replicas = dice.of(&[1, 3, 5, 7]).unwrap();
            world.wish(|wish| wish.replicas = replicas);
        }
        92 => {
            world.wish(|wish| wish.template += 1);
            if dice.percent(25) {
                world.broken.push(world.wish.template);
            }
        }
        93 => world.wish(|wish| wish.suspend = !wish.suspend),
        94 if dice.percent(30) => world.meddle(u8::try_from(dice.below(6)).unwrap()),
        94 if dice.percent(50) => {
            if let Some(id) = dice.of(&ids) {
                world.tell(&format!("the node of {id} is lost, or is back"));
                world.toggle_node(id);
            }
        }
        94 => world.wish(|wish| wish.size += 1),
        95 => world.copy_volumes(),
        96 => world.bring_back_volumes(),
        event @ 97..100 => disturb_observers(world, dice, event),
        _ => {}
    }
}

/// The same for observers.
fn disturb_observers(world: &mut World, dice: &mut Dice, event: u64) {
    match event {
        97 => {
            let observers = u8::try_from(dice.below(13)).unwrap();
            world.wish(|wish| wish.observers = observers);
        }
        98 => {
            let observers: Vec<u8> = world.observers.pods.keys().copied().collect();
            if let Some(id) = dice.of(&observers) {
                world.tell(&format!("observer {id} goes"));
                world.observers.pods.remove(&id);
            }
        }
        _ => {
            let lost = dice.of(&["a", "b", "c"]).filter(|_| dice.percent(50));
            world.tell(&format!("no observer runs in zone {lost:?}"));
            world.observers.lost = lost;
        }
    }
}

/// What must hold after each event.
fn check(world: &mut World) -> Result<(), String> {
    // Whoever was back and goes again does not go by the operator's doing.
    world.note_those_back();
    let leads = world.servers.lead.is_some();
    if world.observers.too_many_away(world.wish.observers, leads) {
        return Err(failure(
            world,
            "too many observers are away by the operator's doing",
        ));
    }
    if world.away.len() > 1 {
        return Err(failure(
            world,
            "two voters are away by the operator's doing",
        ));
    }
    match &world.servers.lost {
        Some(lost) => Err(failure(world, lost)),
        None => Ok(()),
    }
}

fn failure(world: &World, what: &str) -> String {
    format!("{what}:\n{}\n{:#?}", world.story.join("\n"), world.servers)
}

/// Five seconds in which what runs does what it should.
fn calm(world: &mut World, dice: &mut Dice, operator: &mut Operator) -> Result<(), String> {
    world.now += 5;
    world.kubernetes(dice, true);
    world.servers.elect(dice);
    for id in world.pods.keys().copied().collect::<Vec<_>>() {
        world.servers.level(id);
    }
    for _ in 0..4 {
        operator.go_on(world, dice, 0, true);
    }
    check(world)
}

/// Everything works, and nobody wants anything new: it must come to be as wished, and rest.
fn settle(world: &mut World, dice: &mut Dice, folly: Option<Folly>) -> Result<(), String> {
    let mut operator = Operator::with(folly);
    if world.broken.contains(&world.wish.template) {
        world.wish.template += 1;
    }
    world.broken.clear();
    world.wish.suspend = false;
    world.observers.lost = None;
    world.nodes_lost.clear();
    let mut homeless = 0;
    for _ in 0..ROUNDS_MAX {
        calm(world, dice, &mut operator)?;
        let members = world.servers.members();
        let highest = members.voters.last().copied().unwrap_or(0);
        // A change that was asked for under the last wish may have come very late, or a person have
        // taken the pods away.
        homeless = match world.slots() {
            Some(slots) if slots < highest => homeless + 1,
            Some(_) | None => 0,
        };
        if homeless > 20 {
            return Err(failure(world, "a member has no place for its pod"));
        }
        if rests(world, dice) {
            return Ok(());
        }
    }
    let (_, plan) = look(world, dice, 0);
    Err(failure(
        world,
        &format!("it does not come to rest: {plan:#?}"),
    ))
}

/// Whether all is as wished, and the planner has nothing to do and nothing to complain of.
fn rests(world: &World, dice: &mut Dice) -> bool {
    let (_, plan) = look(world, dice, 0);
    let ready = plan.conditions.iter().any(|verdict| {
        verdict.kind == condition_type::READY && verdict.truth == super::Truth::True
    });
    let members = world.servers.members();
    ready
        && plan.step.is_none()
        && plan.operation.is_none()
        && members.voters.len() == usize::from(world.wish.replicas)
        && world.slots() == Some(world.wish.replicas)
        && world.has_room()
        && world.recorded.as_ref() == Some(&members)
        && world.observers.pods.len() == usize::from(world.wish.observers)
}

fn walk(seed: u64, folly: Option<Folly>) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let mut world = World::new(dice.of(&[1, 3, 5]).unwrap());
    world.wish.replace_after_s = dice.percent(50).then_some(REPLACE_AFTER_S);
    let mut operators = [Operator::with(folly), Operator::with(folly)];
    let mut works = 0;
    for _ in 0..EVENTS {
        disturb(&mut world, &mut dice, &mut operators, &mut works);
        check(&mut world)?;
    }
    settle(&mut world, &mut dice, folly)?;
    // A volume from an earlier life, or none: the next wish finds it so.
    world.wish.replicas = dice.of(&[1, 3, 5]).unwrap();
    world.wish.observers = u8::try_from(dice.below(13)).unwrap();
    world.wish.size += u8::try_from(dice.below(2)).unwrap();
    settle(&mut world, &mut dice, folly)
}

#[test]
fn walks_lose_nothing_and_come_to_rest() {
    let asked = std::env::var("QUORATE_WALKS").ok();
    let walks = asked.map_or(WALKS, |text| {
        text.parse().expect("QUORATE_WALKS is a number")
    });
    let threads = 2;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for seed in (thread..walks).step_by(2) {
                    let walked = walk(seed, None);
                    assert!(walked.is_ok(), "seed {seed}: {}", walked.unwrap_err());
                }
            });
        }
    });
}

/// The one that failed, alone: `QUORATE_WALK=17 cargo test -p quorate-operator one_walk`.
#[test]
fn one_walk() {
    let asked = std::env::var("QUORATE_WALK").ok();
    let seed = asked.map_or(1, |text| text.parse().expect("QUORATE_WALK is a seed"));
    walk(seed, None).unwrap();
}

#[test]
fn walks_find_the_mistakes_of_others() {
    for folly in Folly::WALKED {
        let found = (0..FOLLY_WALKS_MAX).find(|seed| walk(*seed, Some(folly)).is_err());
        assert!(
            found.is_some(),
            "{folly:?} is not found in {FOLLY_WALKS_MAX} walks"
        );
    }
}

/// Three become one, the volumes of the two from before are put back, and one becomes three: the two
/// have a quorum by what they remember.
fn volumes_come_back(folly: Option<Folly>) -> Result<(), String> {
    let mut world = World::new(3);
    let mut dice = Dice::new(1);
    settle(&mut world, &mut dice, folly)?;
    world.copy_volumes();
    world.wish(|wish| wish.replicas = 1);
    settle(&mut world, &mut dice, folly)?;
    world.servers.propose(None, &mut dice);
    world.now += 100;
    world.kubernetes(&mut dice, true);
    world.bring_back_volumes();
    world.wish(|wish| wish.replicas = 3);
    settle(&mut world, &mut dice, folly)
}

#[test]
fn volumes_of_former_voters_do_not_vote() {
    assert_eq!(volumes_come_back(None), Ok(()));
    let lost = volumes_come_back(Some(Folly::ForgetsMembers)).unwrap_err();
    assert!(lost.contains("is elected"), "{lost}");
}

#[test]
fn lost_node_is_replaced_until_it_is_back() {
    let mut world = World::new(3);
    let mut dice = Dice::new(1);
    settle(&mut world, &mut dice, None).unwrap();
    world.wish.replace_after_s = Some(REPLACE_AFTER_S);
    world.toggle_node(2);
    let mut operator = Operator::default();
    for _ in 0..40 {
        calm(&mut world, &mut dice, &mut operator).unwrap();
    }
    assert_eq!(world.servers.members().voters, [1, 3, 4].into());
    settle(&mut world, &mut dice, None).unwrap();
    assert_eq!(world.servers.members().voters, [1, 2, 3].into());
}

#[test]
fn walks_get_around() {
    // The world must offer what the walks are about: an ensemble that formed, scaled and restarted.
    let mut world = World::new(3);
    let mut dice = Dice::new(1);
    settle(&mut world, &mut dice, None).unwrap();
    assert!(world.formation.as_ref().is_some_and(|f| f.complete));
    for replicas in [5, 1, 3] {
        world.wish.replicas = replicas;
        settle(&mut world, &mut dice, None).unwrap();
        assert_eq!(world.servers.members().voters.len(), usize::from(replicas));
    }
    let before = world.servers.acknowledged.len();
    world.wish.template += 1;
    settle(&mut world, &mut dice, None).unwrap();
    assert_eq!(
        world.servers.acknowledged.len(),
        before,
        "no member changed"
    );
    let pods = |world: &World| world.pods.values().map(|pod| pod.uid).collect::<Vec<_>>();
    let before = pods(&world);
    world.wish.size += 1;
    settle(&mut world, &mut dice, None).unwrap();
    assert!(world.has_room());
    assert_eq!(pods(&world), before, "no pod goes for a volume");
    assert_eq!(look(&world, &mut Dice::new(1), 0).1.step, None::<Step>);
}
