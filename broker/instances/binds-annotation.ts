import { BINDS_ANNOTATION, parseBinds } from '../../agent/shared/binds.ts';
import { compareText } from '../../agent/shared/text.ts';
import type { App } from '../tsuru/app.ts';
import { ownApp, type Operation } from './parts/instance.ts';

/** Kubernetes limits all annotations together to 256 KiB. Apps that do not fit are not confirmed. */
const LARGEST_BYTES = 64 * 1024;

/** The binds that an instance's app has confirmed: of each bound app its team; nothing where the annotation cannot be read. */
export function bindsOf({ annotations }: App): ReadonlyMap<string, string> {
  return parseBinds(annotations.get(BINDS_ANNOTATION) ?? '{}') ?? new Map();
}

/** The annotation for bound apps and their teams, sorted by the app's name; '' without any, which removes it. */
export function bindsText(binds: ReadonlyMap<string, string>): string {
  const written: Record<string, string> = {};
  let bytes = 0;
  for (const [app, team] of [...binds].sort(([a], [b]) => compareText(a, b))) {
    bytes += Buffer.byteLength(JSON.stringify({ [app]: team }));
    if (bytes > LARGEST_BYTES) break;
    written[app] = team;
  }
  return bytes === 0 ? '' : JSON.stringify(written);
}

/** Changes what the instance's app has confirmed. To be called in the instance's turn: of two changes of an app at once Tsuru loses one. */
export async function changeBinds(
  operation: Operation,
  change: (binds: ReadonlyMap<string, string>) => ReadonlyMap<string, string>,
): Promise<void> {
  const { api, names, locked } = operation;
  const app = await ownApp(operation);
  if (app === undefined) return;
  const text = bindsText(change(bindsOf(app)));
  if (text === (app.annotations.get(BINDS_ANNOTATION) ?? '')) return;
  await locked(() => api.changeApp(names.part, { annotations: { [BINDS_ANNOTATION]: text } }, 'no restart'));
}
