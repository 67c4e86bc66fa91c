import { measureAtOnce, type AtOnceTimes } from './at-once.ts';
import { measureChanges } from './change.ts';
import { measureGateway } from './gateway.ts';
import type { Plan } from './plan.ts';
import type { Results, SizeResults } from './results.ts';
import { changedRounds, unchangedRounds } from './rounds.ts';
import { measureRules } from './rules.ts';
import { measureInstance } from './instance.ts';
import { measureService } from './service.ts';
import { startScene } from './scene.ts';

/** Few enough that asking Prometheus for its targets all the time does not slow it. */
const UNITS_WHILE_TIMING = 20;

/** Measures all that a plan says, one thing after the other. What it starts ends with `owner` at the latest. */
export async function runPlan(
  owner: AsyncDisposableStack,
  plan: Plan,
  agent: readonly string[],
  say: (line: string) => void,
): Promise<Results> {
  const { pollInterval } = plan;
  const sizes = new Map<number, SizeResults>();
  for (const { units, unitsPerApp } of plan.sizes) {
    say(`measuring rounds with ${units} units ...`);
    await using scene = await startScene(owner, { units, unitsPerApp, agent, pollInterval });
    const changed = await changedRounds(scene, plan.rounds);
    sizes.set(units, { changed, unchanged: await unchangedRounds(scene, plan.rounds, plan.steadyMs) });
  }
  say('measuring the gateway ...');
  const gateway = await measureGateway(owner, plan.gateway);
  say('measuring the service ...');
  const service = await measureService(owner, plan.service);
  say('measuring an instance ...');
  const instance = await measureInstance(owner, plan.instance, agent);
  const atOnce = await runAtOnce(owner, plan, say);
  const few = { units: UNITS_WHILE_TIMING, unitsPerApp: UNITS_WHILE_TIMING };
  await using scene = await startScene(owner, { ...few, agent, pollInterval });
  say(`measuring ${plan.changes} changes in Tsuru ...`);
  const change = await measureChanges(scene, plan.changes, plan.paceMs);
  say(`measuring ${plan.rules} changes of rules ...`);
  return { sizes, change, rulesMs: await measureRules(scene, plan.rules), gateway, service, instance, atOnce };
}

/** With the webhook, and with polls alone. */
export async function runAtOnce(
  owner: AsyncDisposableStack,
  { atOnce: { webhook, pollsAlone } }: Plan,
  say: (line: string) => void,
): Promise<readonly AtOnceTimes[]> {
  say('measuring changes with the webhook ...');
  const pushed = await measureAtOnce(owner, webhook, true);
  if (pollsAlone === undefined) return [pushed];
  say('measuring changes without the webhook ...');
  return [pushed, await measureAtOnce(owner, pollsAlone, false)];
}
