import { count, errorText, listNames } from '../../agent/shared/text.ts';
import { TsuruError } from '../../agent/shared/tsuru.ts';
import type { Context } from '../context.ts';
import { operationOn, within } from '../instances/parts/instance.ts';
import { hasImage, upgradeInstance } from '../instances/upgrade.ts';
import { valueOf, type Command, type ExitCode, type Given, type Output } from './command.ts';
import { configOf, withContext } from './connection.ts';
import { chosenInstances, ONLY } from './instances.ts';

/** A deploy may pull a large image, and wait 10 minutes for its unit. */
const INSTANCE_LIMIT_MS = 1_800_000;
const WIDTH = 11;

interface Upgraded {
  readonly instance: string;
  readonly outcome: 'upgraded' | 'was there' | 'would' | 'failed';
  readonly seconds?: number;
  readonly reason?: string;
}

export const upgrade: Command = {
  name: 'upgrade',
  summary: 'deploys the image of this broker to all instances, one by one; a failed one stops it',
  about: `Deploys the image of this broker (BROKER_IMAGE) to the instances of the service, one by one, each until its new unit is ready. A failed
one stops it, and keeps its old unit. Run it again to continue: instances that have the image are left alone. A deploy empties an
instance's data, in memory as on a disk of its unit; what remote_write has sent stays.`,
  options: [
    ONLY,
    { name: 'image', value: 'IMAGE', meaning: 'another image than BROKER_IMAGE, to go back to an earlier version' },
    { name: 'dry-run', meaning: 'shows what would be deployed, and does nothing' },
    { name: 'accept-data-loss', meaning: 'needed, as the data of each instance start empty' },
  ],
  async run({ given, environment, output }) {
    const config = configOf(environment);
    return withContext(config, (context) => upgradeAll(context, given, output));
  },
};

async function upgradeAll(context: Context, given: Given, output: Output): Promise<ExitCode> {
  const image = valueOf(given, 'image') ?? context.image;
  const names = await chosenInstances(context, given);
  const results: Upgraded[] = [];
  const old: string[] = [];
  for (const [index, name] of names.entries()) {
    output.progress(index + 1, names.length, `looking at ${name}`);
    const look = operationOn(context, name, within(context, INSTANCE_LIMIT_MS));
    if (await hasImage(look, image)) results.push({ instance: name, outcome: 'was there' });
    else old.push(name);
  }
  if (given.has('dry-run')) {
    results.push(...old.map((instance): Upgraded => ({ instance, outcome: 'would' })));
    return report(output, image, results, []);
  }
  if (old.length > 0 && !given.has('accept-data-loss')) {
    throw new Error(
      `The data of ${count(old.length, 'instance')} (${listNames(old)}) would start empty: add --accept-data-loss, or --dry-run to look`,
    );
  }
  for (const [index, name] of old.entries()) {
    output.progress(index + 1, old.length, `upgrading ${name}`);
    const startMs = context.clock.nowMs();
    try {
      await upgradeInstance(operationOn(context, name, within(context, INSTANCE_LIMIT_MS)), image);
    } catch (error) {
      results.push({ instance: name, outcome: 'failed', reason: reasonOf(error) });
      return report(output, image, results, old.slice(index + 1));
    }
    const seconds = Math.round((context.clock.nowMs() - startMs) / 1000);
    results.push({ instance: name, outcome: 'upgraded', seconds });
    output.say(`${name}: upgraded in ${seconds} s`);
  }
  return report(output, image, results, []);
}

function reasonOf(error: unknown): string {
  const text = errorText(error).replace(/\.$/, '');
  return error instanceof TsuruError && error.failure === 'forbidden'
    ? `${text}: "check" names the missing permission`
    : text;
}

function report(output: Output, image: string, results: readonly Upgraded[], left: readonly string[]): ExitCode {
  const hasFailed = results.some(({ outcome }) => outcome === 'failed');
  const lines = results.map(({ instance, outcome, seconds, reason }) => {
    const detail = seconds !== undefined ? ` (${seconds} s)` : reason !== undefined ? `: ${reason}` : '';
    return `${(outcome === 'failed' ? 'FAILED' : outcome).padEnd(WIDTH)}${instance}${detail}`;
  });
  const rest = left.map((instance) => `${'left'.padEnd(WIDTH)}${instance}`);
  const end = hasFailed
    ? `It stopped at a failure, and the unit before keeps running there. See "tsuru app-log" of its app, then run the same command again: it continues.`
    : `${count(results.length, 'instance')} looked at, for the image ${image}.`;
  output.report({ image, instances: results, left }, [...lines, ...rest, '', end]);
  return hasFailed ? 1 : 0;
}
