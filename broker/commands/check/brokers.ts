import { basicHeader } from '../../../agent/shared/basic-auth.ts';
import { count, errorText, listNames } from '../../../agent/shared/text.ts';
import { VERSION } from '../../../agent/shared/version.ts';
import { createApi } from '../../tsuru/api.ts';
import { good, problem, unknown, type CheckOptions, type Finding } from './finding.ts';

/** A broker answers from memory. */
const BROKER_LIMIT_MS = 3_000;
/** As its metrics give it. */
const VERSION_LINE = /^tsuru_broker_info\{[^}]*\bversion="([^"]*)"/m;

/** Whether all units of the broker's app run this version. */
export async function checkBrokers(
  { context: { tsuru }, brokerApp, auth }: CheckOptions,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (brokerApp === '') {
    return [
      unknown(
        'The brokers were not compared with each other: run the check in the app of the broker ("tsuru app-run"), or name the app with --app.',
      ),
    ];
  }
  const app = await createApi(tsuru, signal).app(brokerApp);
  if (app === undefined) return [problem(`There is no app ${brokerApp}: name the app of the broker with --app.`)];
  const units = app.units.filter(({ isReady }) => isReady);
  if (units.length === 0) {
    return [problem(`The app ${brokerApp} has no unit that is ready: see "tsuru app-log -a ${brokerApp}".`)];
  }
  const told = await Promise.all(
    units.map(async ({ name, address }) => ({ name, answer: await versionAt(address, basicHeader(auth), signal) })),
  );
  const silent = told.filter(({ answer }) => answer.version === undefined);
  const other = told.filter(({ answer }) => answer.version !== undefined && answer.version !== VERSION);
  return [
    ...silent.map(({ name, answer }) =>
      unknown(
        `The version of the broker ${name} is not known (${answer.reason}): run the check where its unit can be reached.`,
      ),
    ),
    ...(other.length > 0
      ? [
          problem(
            `${count(other.length, 'broker')} of ${units.length} run another version than ${VERSION} (${listNames(other.map(({ name, answer }) => `${name}: ${answer.version ?? ''}`))}): deploy ${brokerApp} again, or check with that version.`,
          ),
        ]
      : silent.length === 0
        ? [good(`All ${count(units.length, 'broker')} run version ${VERSION}.`)]
        : []),
  ];
}

async function versionAt(
  address: string,
  authorization: string,
  signal: AbortSignal,
): Promise<{ readonly version: string | undefined; readonly reason: string }> {
  try {
    const response = await fetch(`http://${address}/metrics`, {
      headers: { authorization },
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(BROKER_LIMIT_MS)]),
    });
    const text = await response.text();
    if (response.status !== 200) return { version: undefined, reason: `it answers ${response.status}` };
    const version = VERSION_LINE.exec(text)?.[1];
    return { version, reason: version === undefined ? 'its metrics do not say' : '' };
  } catch (error) {
    signal.throwIfAborted();
    return { version: undefined, reason: errorText(error) };
  }
}
