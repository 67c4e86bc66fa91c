import { count, errorText, listNames } from '../../agent/shared/text.ts';
import type { Context } from '../context.ts';
import { operationOn, within } from '../instances/parts/instance.ts';
import { NeedsRestart, rotate as rotateOne, ROTATED, type Rotated, type Rotation } from '../instances/rotate.ts';
import { UsageError, type Command, type ExitCode, type Given, type Output } from './command.ts';
import { configOf, withContext } from './connection.ts';
import { chosenInstances, ONLY } from './instances.ts';

/** A restart waits for the new unit. */
const INSTANCE_LIMIT_MS = 600_000;
const WIDTH = 9;

type Line = { readonly instance: string } & (
  { readonly outcome: 'done'; readonly rotation: Rotation } | { readonly outcome: 'failed'; readonly reason: string }
);

export const rotate: Command = {
  name: 'rotate',
  summary: 'gives one or all instances a new password or token, without a restart',
  about: `Gives the instances of the service a new password or a new token, one by one, without a restart and without a gap in scraping. The running
agent gets it over its guarded port. An instance that cannot take it while it runs stops the command, before anything of it is changed.
Nothing secret is printed: the users of an instance read the new password in its info.`,
  options: [
    { name: 'password', meaning: 'the password of the guarded port; the old one ends at once' },
    { name: 'token', meaning: 'the token with which the agent asks Tsuru; the old one ends at once' },
    ONLY,
    {
      name: 'accept-data-loss',
      meaning: 'restarts an instance that cannot take it while it runs: its data start empty',
    },
  ],
  async run({ given, environment, output }) {
    const chosen = ROTATED.filter((what) => given.has(what));
    const [what] = chosen;
    if (what === undefined || chosen.length > 1) throw new UsageError('Either --password or --token must be given.');
    return withContext(configOf(environment), (context) => rotateAll(context, what, given, output));
  },
};

async function rotateAll(context: Context, what: Rotated, given: Given, output: Output): Promise<ExitCode> {
  const names = await chosenInstances(context, given);
  const lines: Line[] = [];
  for (const [index, instance] of names.entries()) {
    output.progress(index + 1, names.length, instance);
    try {
      const operation = operationOn(context, instance, within(context, INSTANCE_LIMIT_MS));
      const rotation = await rotateOne(operation, what, given.has('accept-data-loss'));
      lines.push({ instance, outcome: 'done', rotation });
    } catch (error) {
      lines.push({ instance, outcome: 'failed', reason: reasonOf(error) });
      report(output, what, lines, names.slice(index + 1));
      return 1;
    }
  }
  report(output, what, lines, []);
  return 0;
}

function reasonOf(error: unknown): string {
  const text = errorText(error).replace(/\.$/, '');
  return error instanceof NeedsRestart
    ? `${text}: with --accept-data-loss it is restarted, and its data start empty`
    : text;
}

function report(output: Output, what: Rotated, lines: readonly Line[], left: readonly string[]): void {
  const texts = lines.map((line) =>
    line.outcome === 'failed'
      ? `${'FAILED'.padEnd(WIDTH)}${line.instance}: ${line.reason}`
      : `${'done'.padEnd(WIDTH)}${line.instance}, ${line.rotation.how}${outdatedText(line.rotation)}`,
  );
  const rest = left.map((instance) => `${'left'.padEnd(WIDTH)}${instance}`);
  const done = lines.filter(({ outcome }) => outcome === 'done').length;
  const more = left.length > 0 ? ` Name those that are left with --only.` : '';
  output.report({ what, instances: lines, left }, [
    ...texts,
    ...rest,
    '',
    `${count(done, 'instance')} with a new ${what}.${more}`,
  ]);
}

function outdatedText({ outdatedApps }: Rotation): string {
  return outdatedApps.length === 0
    ? ''
    : `; the variables of ${listNames(outdatedApps)} have the old password until they are unbound and bound again`;
}
