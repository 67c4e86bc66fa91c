import { parseArgs } from 'node:util';
import { errorText } from '../../agent/shared/text.ts';
import type { ActiveTarget } from '../support/prometheus.ts';
import { INSTANCE_APP, startDemo, untilUp, walkThrough, type Demo } from './demo.ts';
import { tableOf } from './table.ts';
import { watch } from './watch.ts';

const USAGE = `npm run demo [-- --once | --help]

Runs everything on this machine: a Tsuru, an app with three units, the broker, and an instance bound to the app, whose Prometheus keeps its
data in memory (as root on Linux; else in a folder).
It stays until Ctrl-C, and leaves nothing behind.

  --once  scales, deploys, changes settings and unbinds by itself, and ends: exit code 0 only if Prometheus saw it all
  --help  this
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
  return `Look (user ${user}, password ${password}):
  ${ui}/targets
  ${ui}/graph?g0.expr=rate(api_http_requests_total[1m])&g0.tab=0&g0.range_input=5m
  ${prometheus.url}/   the status page: each unit, and why something is not scraped
  ${prometheus.url}/metrics   the agent's own metrics, which its Prometheus scrapes as well

Try in another terminal, and watch this one:
  export TSURU_TARGET=${tsuru.url} TSURU_TOKEN=${tsuru.adminToken}
  scale:    curl -X PUT -H "Authorization: bearer $TSURU_TOKEN" -d units=2 -d process=web $TSURU_TARGET/1.0/apps/my-app/units
            (with the tsuru client: tsuru unit add 2 -a my-app)
  deploy:   curl -H "Authorization: bearer $TSURU_TOKEN" -d image=shop/my-app:2 -d origin=image $TSURU_TARGET/1.0/apps/my-app/deploy
  set:      curl -X PUT -H "Authorization: bearer $TSURU_TOKEN" -d teamOwner=shop -d parameters.scrape_interval=5s $TSURU_TARGET/1.0/services/prometheus/instances/my-instance
            (with the tsuru client: tsuru service-instance-update prometheus my-instance --plan-param scrape_interval=5s)
  info:     curl -H "Authorization: bearer $TSURU_TOKEN" $TSURU_TARGET/1.0/services/prometheus/instances/my-instance
            (with the tsuru client: tsuru service-instance-info prometheus my-instance)
  log:      curl -H "Authorization: bearer $TSURU_TOKEN" "$TSURU_TARGET/1.0/apps/${INSTANCE_APP}/log?lines=20"
            (with the tsuru client: tsuru app-log -a ${INSTANCE_APP})
  kill:     kill -9 $(pgrep -f -n test/app/main.ts)   one unit, which Tsuru starts again

Ctrl-C ends all of it.
`;
}

async function run(once: boolean, signal: AbortSignal): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(new Error('stopped'));
    });
  });
  const story = async (): Promise<void> => {
    const demo = await startDemo(stack, say);
    say('Waiting for Prometheus to scrape every unit (file_sd takes up to 5 s in Prometheus 2) ...');
    show(await untilUp(demo, 3));
    if (once) return walkThrough(demo, say, show);
    say(await whatToTry(demo));
    return watch(demo.prometheus, { say, show, everyMs: WATCH_EVERY_MS }, signal);
  };
  await Promise.race([story(), stopped]);
}

function readArguments(): { once?: boolean; help?: boolean } {
  try {
    return parseArgs({ options: { once: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } }).values;
  } catch (error) {
    console.error(`${errorText(error)}. See "npm run demo -- --help".`);
    process.exit(2);
  }
}

const { once = false, help = false } = readArguments();
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
  await run(once, stop.signal);
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
