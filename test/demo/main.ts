import { parseArgs } from 'node:util';
import { errorText } from '../../agent/shared/text.ts';
import type { ActiveTarget } from '../support/prometheus.ts';
import { addFurther, INSTANCE_APP, startDemo, untilUp, walkThrough, type Demo, type Further } from './demo.ts';
import { tableOf } from './table.ts';
import { watch } from './watch.ts';

const USAGE = `npm run demo [-- --once | --apps N [--units N] | --help]

Runs everything on this machine: a Tsuru, an app with three units, the broker, and an instance bound to the app, whose Prometheus keeps its
data in memory (as root on Linux; else in a folder).
It stays until Ctrl-C, and leaves nothing behind.

  --once     scales, deploys, changes settings and unbinds by itself, and ends: exit code 0 only if Prometheus saw it all
  --apps N   adds this many apps with synthetic units: 100 apps of 20 units are 2,000 targets
  --units N  units of each of them (20)
  --help     this
`;

/** How often the demo looks for something new to show. */
const WATCH_EVERY_MS = 1_000;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function show(targets: readonly ActiveTarget[]): void {
  say(
    `\nPrometheus reports ${targets.filter(({ health }) => health === 'up').length} of ${targets.length} units up:\n${tableOf(targets)}\n`,
  );
}

/** Debian's Prometheus has only the classic UI, below a path of its own. */
async function uiOf({ prometheus: { url }, user, password }: Demo): Promise<string> {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const { ok } = await fetch(`${url}/targets`, { headers: { authorization } });
  return ok ? url : `${url}/classic`;
}

async function whatToTry(demo: Demo): Promise<string> {
  const { tsuru, prometheus, user, password } = demo;
  const ui = await uiOf(demo);
  const curl = 'curl -H "Authorization: bearer $TSURU_TOKEN"';
  return `Open ${prometheus.url}/ (user ${user}, password ${password}): the status page, with each unit and why something is not scraped.
  ${ui}/graph?g0.expr=rate(api_http_requests_total[1m])&g0.tab=0&g0.range_input=5m   a graph
  ${prometheus.url}/metrics   the agent's own metrics

Try in another terminal, and watch this one:
  export TSURU_TARGET=${tsuru.url} TSURU_TOKEN=${tsuru.adminToken}
  1 scale    ${curl} -X PUT -d units=2 -d process=web $TSURU_TARGET/1.0/apps/my-app/units
             (tsuru unit add 2 -a my-app)
  2 deploy   ${curl} -d image=shop/my-app:2 -d origin=image $TSURU_TARGET/1.0/apps/my-app/deploy
  3 set      ${curl} -X PUT -d teamOwner=shop -d parameters.scrape_interval=5s $TSURU_TARGET/1.0/services/prometheus/instances/my-instance
             (tsuru service-instance-update prometheus my-instance --plan-param scrape_interval=5s)
  4 info     ${curl} $TSURU_TARGET/1.0/services/prometheus/instances/my-instance
             (tsuru service-instance-info prometheus my-instance)
  5 log      ${curl} "$TSURU_TARGET/1.0/apps/${INSTANCE_APP}/log?lines=20"
             (tsuru app-log -a ${INSTANCE_APP})
  6 break    kill -9 $(pgrep -f -n test/app/main.ts)               a unit, which Tsuru starts again
             kill -9 $(pgrep -f -n agent/config/prometheus.yml)   the Prometheus, which its agent starts again

Ctrl-C ends all of it.
`;
}

async function run(once: boolean, further: Further | undefined, signal: AbortSignal): Promise<void> {
  const startMs = performance.now();
  /** What is done, with the seconds since the start. */
  const tell = (line: string): void => {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1).padStart(6);
    say(line.trim() === '' ? line : `${seconds} s  ${line}`);
  };
  await using stack = new AsyncDisposableStack();
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(new Error('stopped'));
    });
  });
  const story = async (): Promise<void> => {
    const demo = await startDemo(stack, tell);
    tell('Waiting for Prometheus to scrape every unit (file_sd takes up to 5 s in Prometheus 2) ...');
    show(await untilUp(demo, 3));
    tell('Prometheus scrapes every unit of my-app.');
    if (further !== undefined) {
      await addFurther(demo, further, tell);
      const all = 3 + further.apps * further.units;
      await untilUp(demo, all, further.apps);
      tell(`Prometheus scrapes all ${all} units.`);
    }
    if (once) return walkThrough(demo, tell, show);
    say(await whatToTry(demo));
    return watch(demo.prometheus, { say, show, everyMs: WATCH_EVERY_MS }, signal);
  };
  await Promise.race([story(), stopped]);
}

/** More units than this take more memory than the demo's plan has. */
const MOST_UNITS = 5_000;

function readArguments(): { readonly once: boolean; readonly help: boolean; readonly further: Further | undefined } {
  try {
    const { values } = parseArgs({
      options: {
        once: { type: 'boolean', default: false },
        apps: { type: 'string' },
        units: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const { once, help, apps, units } = values;
    if (apps !== undefined && once)
      throw new Error('--apps cannot be given with --once, which walks through my-app alone');
    if (apps === undefined && units !== undefined) throw new Error('--units needs --apps');
    const further = { apps: numberOf('apps', apps ?? '0'), units: numberOf('units', units ?? '20') };
    if (further.apps * further.units > MOST_UNITS)
      throw new Error(`--apps times --units must be at most ${MOST_UNITS}`);
    return { once, help, further: further.apps === 0 ? undefined : further };
  } catch (error) {
    console.error(`${errorText(error)}. See "npm run demo -- --help".`);
    process.exit(2);
  }
}

function numberOf(name: string, text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new Error(`--${name} must be a number, not "${text}"`);
}

const { once, help, further } = readArguments();
if (help) {
  say(USAGE);
  process.exit(0);
}
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    stop.abort();
  });
}
try {
  await run(once, further, stop.signal);
  say('The demo saw it all in Prometheus.');
  process.exit(0);
} catch (error) {
  if (stop.signal.aborted) {
    say('\nThe demo has ended, and left nothing behind.');
    process.exit(once ? 130 : 0);
  }
  console.error(`The demo failed: ${errorText(error)}`);
  process.exit(1);
}
