//! Other groups while the daemon runs. What stays the same is not touched.

use super::{Group, GroupPlan, Item, Resources, Steps, Verb, numbered};

impl Resources {
    /// Takes new plans. `kept` says for each which old group it was, `held` which of the new groups run here. No step is
    /// under way.
    ///
    /// A group that is held and whose resources changed stops what left its line, then starts what came. A group that
    /// is not kept is stopped; how that went is in the log.
    pub fn reload(&mut self, plans: Vec<GroupPlan>, kept: &[Option<u8>], held: &[bool]) {
        let mut before: Vec<Option<Group>> = self.groups.drain(..).map(Some).collect();
        for (number, plan) in plans.into_iter().enumerate() {
            let was = kept.get(number).copied().flatten();
            let group = match was.and_then(|was| before.get_mut(usize::from(was))?.take()) {
                Some(group) if group.steps.plan == plan => group,
                Some(group) => self.changed(&group.steps, plan, held.get(number) == Some(&true)),
                None => self.group(plan),
            };
            self.groups.push(group);
        }
        self.watch.watch_over(numbered(self.groups.iter().map(|group| &group.steps.plan)), &self.log);
        for mut group in before.into_iter().flatten() {
            group.begin(Verb::Drop);
            self.retired.push(group);
        }
    }

    fn changed(&self, old: &Steps, plan: GroupPlan, held: bool) -> Group {
        let gone: Vec<Item> = old.plan.items.iter().filter(|item| !plan.items.contains(item)).cloned().collect();
        let gone = self.group(GroupPlan { key: plan.key.clone(), items: gone }).steps;
        let mut group = self.group(plan);
        if held {
            let steps = group.steps.clone();
            let change = async move {
                gone.run(Verb::Stop).await;
                steps.run(Verb::Start).await
            };
            group.running = Some((Verb::Start, Box::pin(change)));
        }
        group
    }
}
