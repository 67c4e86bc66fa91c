import pMap from 'p-map';
import { compareText, count, shortLine } from '../../agent/shared/text.ts';
import { assess, problemsIn } from '../instances/assess.ts';
import { targetsIn } from '../instances/agent-status.ts';
import { gatherFacts, type Facts } from '../instances/gather.ts';
import { operationOn, planNameOf, within } from '../instances/parts/instance.ts';
import type { Context } from '../context.ts';
import type { Instance } from '../tsuru/instance.ts';
import type { Command } from './command.ts';
import { configOf, withContext } from './connection.ts';
import { instancesOf } from './instances.ts';

/** Tsuru asks a cluster for each app. */
const INSTANCE_LIMIT_MS = 15_000;
/** So that users' requests find Tsuru quick. */
const AT_ONCE = 8;
/** So much of the problems that a line can be read. */
const MOST_CHARACTERS = 100;
const MIB = 1024 ** 2;

/** What is known of an instance; null is unknown. */
export interface ListedInstance {
  readonly instance: string;
  readonly team: string | null;
  /** In force. */
  readonly plan: string | null;
  readonly tsuruPlan: string | null;
  /** Of this project, and of Prometheus. */
  readonly version: string | null;
  readonly prometheus: string | null;
  /** As Tsuru lists them. */
  readonly apps: readonly string[];
  readonly targets: number | null;
  readonly targetsUp: number | null;
  readonly storageUsedBytes: number | null;
  readonly storageBytes: number | null;
  readonly problems: readonly string[];
}

export const list: Command = {
  name: 'list',
  summary: 'a line for each instance: team, plan, version, apps, targets, storage, problems',
  about:
    'Lists the instances of the service, a line each. --json has the numbers for billing; what cannot be known at present is null there.',
  options: [],
  async run({ environment, output }) {
    const config = configOf(environment);
    const listed = await withContext(config, (context) =>
      listInstances(context, (done, of) => {
        output.progress(done, of, 'instances');
      }),
    );
    output.report(listed, tableOf(listed));
    return 0;
  },
};

async function listInstances(
  context: Context,
  onProgress: (done: number, of: number) => void,
): Promise<readonly ListedInstance[]> {
  const instances = await instancesOf(context);
  let done = 0;
  return pMap(
    instances,
    async ([name, instance]) => {
      const operation = operationOn(context, name, within(context, INSTANCE_LIMIT_MS));
      const entry = listedOf(operation.names.part, operation.id, instance, await gatherFacts(operation));
      onProgress(++done, instances.size);
      return entry;
    },
    { concurrency: AT_ONCE },
  );
}

function listedOf(
  part: string,
  id: { readonly service: string; readonly instance: string },
  { apps }: Instance,
  facts: Facts,
): ListedInstance {
  const app = facts.app.kind === 'known' ? facts.app.value : undefined;
  const status = facts.agent?.kind === 'answered' ? facts.agent.status : undefined;
  const targets = status?.apps.flatMap(({ units }) => targetsIn(units));
  return {
    instance: id.instance,
    team: app?.team ?? null,
    plan: app === undefined ? null : planNameOf(app),
    tsuruPlan: app?.plan ?? null,
    version: known(status?.versions.agent),
    prometheus: known(status?.versions.prometheus),
    apps: [...apps].sort(compareText),
    targets: targets?.length ?? null,
    targetsUp: targets?.filter(({ health }) => health === 'up').length ?? null,
    storageUsedBytes: status?.storage.used ?? null,
    storageBytes: status?.storage.size ?? null,
    problems: problemsIn(assess(facts, part, id)),
  };
}

function known(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : text;
}

function tableOf(listed: readonly ListedInstance[]): readonly string[] {
  const rows = listed.map((one) => [
    one.instance,
    one.team ?? '?',
    one.plan ?? '?',
    one.version ?? '?',
    String(one.apps.length),
    one.targets === null || one.targetsUp === null ? '?' : `${one.targetsUp}/${one.targets}`,
    one.storageUsedBytes === null || one.storageBytes === null
      ? '?'
      : `${Math.ceil(one.storageUsedBytes / MIB)}/${Math.floor(one.storageBytes / MIB)} MB`,
    shortLine(one.problems.join('; '), MOST_CHARACTERS),
  ]);
  return [
    ...alignedRows([['INSTANCE', 'TEAM', 'PLAN', 'VERSION', 'APPS', 'UP', 'STORAGE', 'PROBLEMS'], ...rows]),
    `${count(listed.length, 'instance')}.`,
  ];
}

/** Rows of a table with columns of one width, without blanks at the end. */
function alignedRows(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
