import { setTimeout as wait } from 'node:timers/promises';
import { lookAtBystanders } from './bystanders.ts';
import { partOf, SERVICE, type ServiceStage } from './stage.ts';
import { listInstances, update } from './steps.ts';
import { differences } from './truth.ts';

const LOOK_EVERY_MS = 2_000;
/** Of all that differs. */
const SHOWN = 40;

/**
 * Leaves everything in peace until it is as it must be. Users send an update again that failed, and do what a status tells them.
 * Returns what still differs at the deadline, none if all is well.
 */
export async function settle(
  stage: ServiceStage,
  usualRetention: string,
  limitMs: number,
  say: (line: string) => void,
): Promise<readonly string[]> {
  stage.tsuru.faults.clear();
  for (const broker of stage.brokers) if (!broker.isRunning()) await broker.start();
  const begunMs = performance.now();
  let last: readonly string[] = [];
  for (let round = 1; performance.now() - begunMs < limitMs; round++) {
    const doubts = await sendAgain(stage, round);
    await doWhatStatusesSay(stage);
    last = [...doubts, ...(await differences(stage, usualRetention))];
    if (last.length === 0) {
      say(`all is as it must be after ${Math.round((performance.now() - begunMs) / 1000)} s`);
      return [];
    }
    if (round % 10 === 1) say(`${last.length} differences: ${last.slice(0, 3).join('; ')}`);
    await wait(LOOK_EVERY_MS);
  }
  const more = last.length > SHOWN ? [`and ${last.length - SHOWN} more`] : [];
  return [...last.slice(0, SHOWN), ...more];
}

/** Updates that failed, of instances that are there. */
async function sendAgain(stage: ServiceStage, round: number): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const { name } of await listInstances(stage)) {
    if (stage.known.get(name)?.isInDoubt !== true) continue;
    const isDone = await update(stage, name, '6d', `again-${round}`);
    if (!isDone) failed.push(`${name}: its update is refused`);
  }
  return failed;
}

/** A unit that runs with an old token or password says so, with the update that restarts it. */
async function doWhatStatusesSay(stage: ServiceStage): Promise<void> {
  const listed = await listInstances(stage);
  for (const { name, team_owner: teamOwner } of listed.filter((instance) => stage.real.includes(instance.name))) {
    const path = `/1.0/services/${SERVICE}/instances/${name}`;
    const { body } = await stage.admin.call('GET', `${path}/status`);
    const description = /run "tsuru service-instance-update \S+ \S+ -d (\S+)"/.exec(body)?.[1];
    const [retention = ''] = stage.known.get(name)?.retentions ?? [];
    if (description === undefined) continue;
    const parameters = retention === '' ? {} : { 'parameters.retention': retention };
    await stage.admin.call('PUT', path, { form: { teamOwner, description, ...parameters } });
  }
}

/** What has changed of what belongs to others, and which units were restarted though nobody asked for it. */
export async function harm(
  stage: ServiceStage,
  bystandersBefore: readonly string[],
  unitsBefore: ReadonlyMap<string, string>,
): Promise<readonly string[]> {
  const bystanders = await lookAtBystanders(stage.admin);
  const units = unitsOf(stage);
  return [
    ...bystanders.filter((line) => !bystandersBefore.includes(line)).map((line) => `of others, now: ${line}`),
    ...stage.first
      .filter((name) => stage.known.get(name)?.mayRestart !== true && units.get(name) !== unitsBefore.get(name))
      .map((name) => `${name}: its unit was ${unitsBefore.get(name) ?? '?'} and is ${units.get(name) ?? '?'}`),
  ];
}

/** Of each of the first instances the units. */
export function unitsOf({ tsuru, first }: ServiceStage): ReadonlyMap<string, string> {
  return new Map(
    first.map((name) => [
      name,
      tsuru
        .units(partOf(name))
        .map((unit) => unit.name)
        .sort()
        .join(),
    ]),
  );
}
