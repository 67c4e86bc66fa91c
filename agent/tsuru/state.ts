import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { KnownApp, KnownApps } from '../discovery/known-apps.ts';
import { errorCode, writeWhole } from '../system/files.ts';
import { asObject, ShapeError } from '../shared/shape.ts';
import { compareText, errorText } from '../shared/text.ts';
import { parseGroups, TEAM_LABEL, type TargetGroup } from '../discovery/target-group.ts';

/** Changes when an older agent could not read it, or would misread it. */
const FORMAT = 1;
/** Only this user may read what is known of apps. */
const MODE = 0o600;

/** What is known of Tsuru's apps, kept on disk so that a restart while Tsuru is down loses nothing. */
export interface StateFile {
  /** What was saved last. A file that cannot be used is set aside, and `problem` says so. */
  load(): Promise<{ readonly known?: KnownApps; readonly problem?: string }>;
  /** @throws the file system's error; then the old file is as it was. */
  save(known: KnownApps): Promise<void>;
}

export function createStateFile(dataFolder: string): StateFile {
  const path = join(dataFolder, 'state.json');
  const rendered = new WeakMap<KnownApp, string>();
  let saved: { known: KnownApps; text: string } | undefined;

  return {
    async load() {
      let text: string;
      try {
        text = await readFile(path, 'utf8');
      } catch (error) {
        return errorCode(error) === 'ENOENT' ? {} : { problem: `the state file cannot be read: ${errorText(error)}` };
      }
      try {
        const known = parseState(text);
        saved = { known, text };
        return { known };
      } catch (error) {
        const aside = `${path}.corrupt`;
        const where = await rename(path, aside).then(
          () => `is set aside as ${aside}`,
          (cause: unknown) => `cannot even be set aside (${errorText(cause)})`,
        );
        return { problem: `the state file ${where}: ${errorText(error)}` };
      }
    },
    async save(known) {
      const isThere = existsSync(path);
      if (isThere && saved?.known === known) return;
      const text = renderState(known, rendered);
      if (!isThere || text !== saved?.text) {
        await writeWhole({ temporary: join(dataFolder, 'tmp', 'state.json'), path, text, mode: MODE });
      }
      saved = { known, text };
    },
  };
}

/** Two lines: what the file is with the checksum of the other, and the apps. Why units are unknown is found out again by each agent. */
function renderState(known: KnownApps, rendered: WeakMap<KnownApp, string>): string {
  const apps = [...known.values()]
    .sort((a, b) => compareText(a.app.name, b.app.name))
    .map((app) => renderApp(app, rendered));
  const body = `[${apps.join()}]`;
  return `${JSON.stringify({ format: FORMAT, sha256: checksum(body) })}\n${body}\n`;
}

/** An app about which nothing new is known is not rendered again. */
function renderApp(known: KnownApp, rendered: WeakMap<KnownApp, string>): string {
  const { app, units, details, fromTargetFile, formerTeam } = known;
  const text = rendered.get(known) ?? JSON.stringify({ app, units, details, held: fromTargetFile, formerTeam });
  rendered.set(known, text);
  return text;
}

/** What carries the right checksum is what renderState made, so its parts need not be looked at one by one. */
function parseState(text: string): KnownApps {
  const [head = '', body = ''] = text.split('\n');
  const { format, sha256 } = asObject(JSON.parse(head), 'its first line');
  if (format !== FORMAT)
    throw new ShapeError(`its format is ${JSON.stringify(format)}, and this agent reads ${FORMAT}`);
  if (sha256 !== checksum(body)) throw new ShapeError('its checksum is wrong');
  const apps = JSON.parse(body) as readonly (Omit<KnownApp, 'fromTargetFile'> & {
    readonly held?: KnownApp['fromTargetFile'];
  })[];
  return new Map(
    apps.map(({ held, ...known }) => [known.app.name, held === undefined ? known : { ...known, fromTargetFile: held }]),
  );
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export interface Restored {
  readonly known?: KnownApps;
  readonly problems: readonly string[];
}

/**
 * What is known before the first poll: the saved state; without one, the targets of the last target file, which stand until Tsuru reports
 * the units of their apps.
 */
export async function restore(
  state: StateFile,
  targets: { read(): Promise<string | undefined> },
  wallMs: number,
): Promise<Restored> {
  const { known, problem } = await state.load();
  if (known !== undefined) return { known, problems: [] };
  const problems = problem === undefined ? [] : [problem];
  try {
    const text = await targets.read();
    return text === undefined ? { problems } : { known: hold(parseGroups(text), wallMs), problems };
  } catch (error) {
    return {
      problems: [...problems, `failed to read the target file, keeping it until Tsuru answers: ${errorText(error)}`],
    };
  }
}

function hold(groups: ReadonlyMap<string, readonly TargetGroup[]>, sinceMs: number): KnownApps {
  const unknown = { reason: 'these are the targets of the last run: Tsuru has not listed its units yet', sinceMs };
  return new Map(
    [...groups].map(([name, fromTargetFile]) => {
      const team = fromTargetFile.find(({ labels }) => labels[TEAM_LABEL] !== undefined)?.labels[TEAM_LABEL] ?? '';
      const app = { name, pool: '', team, annotations: {}, labels: {} };
      return [name, { app, units: [], unknown, fromTargetFile }];
    }),
  );
}
