import { count } from '../../agent/shared/text.ts';
import type { Context } from '../context.ts';
import { describeAct, type Act } from '../reconciler/act.ts';
import { NO_MEMORY } from '../reconciler/decide.ts';
import { performOne, planRound } from '../reconciler/reconciler.ts';
import type { Command } from './command.ts';
import { configOf, withContext } from './connection.ts';

/** To compare takes seconds; each act has a limit of its own, and Tsuru's removal of an app is the longest. */
const LIMIT_MS = 600_000;

/** What becomes of one difference. */
interface Line {
  /** would: in a dry run. waits: a broker puts it right in a later round, if it still differs then. unknown: it could not be read. */
  readonly outcome: 'would' | 'waits' | 'done' | 'failed' | 'nothing to do' | 'unknown';
  readonly act?: Act['kind'];
  readonly instance?: string;
  readonly text: string;
}

export const reconcile: Command = {
  name: 'reconcile',
  summary: 'puts right once what the brokers put right every minute; --dry-run shows it',
  about: `Compares the instances of the service with their parts, once, and puts right what differs: a line for each act. What has to be missing
for a while before it is put right is listed as "waits": the brokers look after it. Exit code 1 when something failed or could not be
read.`,
  options: [{ name: 'dry-run', meaning: 'shows what would be done, and changes nothing' }],
  async run({ given, environment, output }) {
    const isDry = given.has('dry-run');
    const lines = await withContext(configOf(environment), (context) =>
      reconcileOnce(context, isDry, (done, of, what) => {
        output.progress(done, of, what);
      }),
    );
    output.report(lines, textOf(lines));
    return lines.some(({ outcome }) => outcome === 'failed' || outcome === 'unknown') ? 1 : 0;
  },
};

async function reconcileOnce(
  context: Context,
  isDry: boolean,
  onProgress: (done: number, of: number, what: string) => void,
): Promise<readonly Line[]> {
  const signal = AbortSignal.timeout(LIMIT_MS);
  const lineOf = (act: Act, outcome: Line['outcome'], text = describeAct(act, context.service)): Line => {
    const { kind, instance } = act;
    return { outcome, act: kind, instance, text: outcome === 'failed' ? `${instance} (${kind}): ${text}` : text };
  };
  const { facts, decision } = await planRound(context, NO_MEMORY, signal);
  const { acts, waiting, postponed, unknown } = decision;
  const performed: Line[] = [];
  for (const act of acts) {
    if (isDry) performed.push(lineOf(act, 'would'));
    else {
      const outcome = await performOne(context, act, signal);
      performed.push(lineOf(act, outcome?.kind ?? 'nothing to do', outcome?.text));
      onProgress(performed.length, acts.length, 'acts');
    }
  }
  const unread = [...(unknown === undefined ? [] : [unknown]), ...facts.troubles];
  return [
    ...unread.map((text): Line => ({ outcome: 'unknown', text })),
    ...performed,
    ...[...waiting, ...postponed].map((act) => lineOf(act, 'waits')),
  ];
}

function textOf(lines: readonly Line[]): readonly string[] {
  if (lines.length === 0) return ['Nothing differs.'];
  const width = Math.max(...lines.map(({ outcome }) => outcome.length));
  const rows = lines.map(({ outcome, text }) => `${outcome.padEnd(width)}  ${text}`);
  return [...rows, '', `${count(lines.length, 'difference')}.`];
}
