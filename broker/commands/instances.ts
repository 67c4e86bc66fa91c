import { compareText, didYouMean, listNames } from '../../agent/shared/text.ts';
import type { Context } from '../context.ts';
import { within } from '../instances/parts/instance.ts';
import { createApi } from '../tsuru/api.ts';
import type { Instance } from '../tsuru/instance.ts';
import { UsageError, type CommandOption, type Given } from './command.ts';

const LIST_LIMIT_MS = 60_000;

export const ONLY: CommandOption = { name: 'only', value: 'INSTANCE', meaning: 'this instance alone; can be repeated' };

/**
 * The service's instances as Tsuru lists them, sorted by name.
 * @throws where the list lacks the service: then nothing is known.
 */
export async function instancesOf(context: Context): Promise<ReadonlyMap<string, Instance>> {
  const instances = await createApi(context.tsuru, within(context, LIST_LIMIT_MS)).instances(context.service);
  if (instances !== undefined) return new Map([...instances].sort(([a], [b]) => compareText(a, b)));
  throw new Error(
    `Tsuru lists no instance of the service ${context.service} for this token: there is none, or the token lacks service.read or service-instance.read ("check" names what it lacks)`,
  );
}

/** The names of the instances that a command is for: all, or those of --only. */
export async function chosenInstances(context: Context, given: Given): Promise<readonly string[]> {
  const all = [...(await instancesOf(context)).keys()];
  const only = given.get(ONLY.name);
  if (only === undefined) return all;
  const unknown = only.find((name) => !all.includes(name));
  if (unknown === undefined) return all.filter((name) => only.includes(name));
  const hint = didYouMean(unknown, all) || `: there are ${listNames(all, 10)}.`;
  throw new UsageError(`There is no instance ${unknown}${hint}`);
}
