import type { Target } from '../discovery/discover.ts';
import type { TargetHealth } from '../prometheus/api/client.ts';
import type { LeftOutReason } from '../shared/status.ts';
import { count } from '../shared/text.ts';

/** Who has a scrape that fails, as sentences need it. */
interface Place {
  readonly app: string;
  readonly process: string;
}

/** What Prometheus' error of a failed scrape means to the app's owner, and what to do. Redirects have a file of their own. */
interface Remedy {
  /** As Prometheus 2.42 to 3.x write it; a part comes from Go. */
  readonly error: RegExp;
  /** Behind "2 targets of the process web are down: ". */
  readonly say: (place: Place) => string;
}

const REMEDIES: readonly Remedy[] = [
  {
    error: /HTTP status 40[13]\b/,
    say: (place) =>
      `it asks for credentials, and Prometheus sends none: serve metrics without them, or on another port: ${set(place, 'port=PORT')}`,
  },
  {
    // Django's ALLOWED_HOSTS, Rails' config.hosts (403 there) and the like; 421 of servers that know their names.
    error: /HTTP status 4(00|21)\b/,
    say: () =>
      'it refuses the request, perhaps as it is asked by its unit\'s address as Host ("10.1.2.3:8888"); allow that in the app (such as ALLOWED_HOSTS)',
  },
  {
    error: /HTTP status 40[45]\b/,
    say: (place) => `there are no metrics at this path: name theirs with ${set(place, 'path=/PATH')}`,
  },
  {
    error: /HTTP status 5\d\d\b/,
    say: ({ app }) => `it fails to answer: see "tsuru app-log -a ${app}"`,
  },
  {
    error: /server gave HTTP response to HTTPS client/,
    say: (place) => `it speaks plain HTTP: ${set(place, 'scheme=http')}`,
  },
  {
    error: /x509: certificate signed by unknown authority/,
    say: (place) =>
      `no authority that Prometheus trusts signed its certificate: ask an administrator to add that authority to CA_CERTIFICATES, or serve metrics as plain HTTP on another port: ${set(place, 'port=PORT')}`,
  },
  {
    error: /x509:/,
    say: (place) =>
      `Prometheus cannot verify its certificate for this address: serve metrics as plain HTTP on another port: ${set(place, 'port=PORT')}`,
  },
  {
    error: /malformed HTTP response|tls:/i,
    say: (place) => `it speaks TLS: ${set(place, 'scheme=https')}`,
  },
  {
    error: /content-type|valid start token|unexpected end of input|invalid metric/i,
    say: (place) =>
      `it answers with something that is no metrics (a page, or a wrong Content-Type): if the path is wrong, name it with ${set(place, 'path=/PATH')}`,
  },
  {
    error: /body size limit exceeded|body_size_limit/i,
    say: () =>
      'it answers with more than body_size_limit allows, or than this instance can hold: expose less, raise the setting, or choose a larger plan with "tsuru service-instance-update -p PLAN"',
  },
  {
    error: /^sample limit exceeded/,
    say: () =>
      'it exposes more samples than samples_per_scrape allows, or than this instance has room for: expose less, raise the setting, or choose a larger plan with "tsuru service-instance-update -p PLAN"',
  },
  {
    error: /limit exceeded/,
    say: () =>
      'it exceeds a limit of the base configuration: expose less of what the error names, or ask an administrator to raise the limit',
  },
  {
    error: /context deadline exceeded|Client\.Timeout/,
    say: (place) =>
      `it takes longer than the time-out: expose less, or allow more time with ${set(place, 'interval=1m')} and ${set(place, 'timeout=30s')}`,
  },
  {
    error: /no route to host|network is unreachable|i\/o timeout/,
    say: () => 'it cannot be reached: ask an administrator whether a network policy keeps Prometheus from the pool',
  },
];

/** What to do about an app's targets that are down, a sentence for each cause and process. */
export function remediesFor(
  app: string,
  targets: readonly Target[],
  health: (target: Target) => TargetHealth | undefined,
): readonly string[] {
  const byProcess = Map.groupBy(targets, ({ unit }) => unit.process);
  return [...byProcess].flatMap(([process, all]) => {
    const place = { app, process };
    const errors = all.flatMap((target) => {
      const known = health(target);
      return known?.health === 'down' ? [{ target, error: known.lastError }] : [];
    });
    const told = REMEDIES.flatMap(({ error, say }) => {
      // Each error has the first remedy that fits.
      const failing = errors.filter((one) => remedyOf(one.error)?.error === error).length;
      return failing === 0 ? [] : [`${downText(failing, process)}: ${say(place)}`];
    });
    return [...told, ...silentProcess(place, all, errors)];
  });
}

/** What has a unit scraped that is left out; undefined where it comes by itself, or never. */
export function remedyFor(app: string, process: string, reason: LeftOutReason): string | undefined {
  const place = { app, process };
  switch (reason) {
    case 'stopped':
      return `start it with "tsuru app-start -a ${app} -p ${process}"`;
    case 'opted_out':
      return `scrape it with ${set(place, 'scrape=true')}`;
    case 'no_port':
      return `if it has metrics, name their port with ${set(place, 'port=PORT')}`;
    case 'target_limit':
      return 'raise the setting with "tsuru service-instance-update --plan-param targets_per_app=NUMBER"';
    case 'no_capacity':
      return 'expose less, or choose a larger plan with "tsuru service-instance-update -p PLAN"';
    default:
      return undefined;
  }
}

function remedyOf(lastError: string): Remedy | undefined {
  return REMEDIES.find(({ error }) => error.test(lastError));
}

/** Tsuru gives a worker that listens on nothing port 8888 as well: its targets are all down, and an annotation ends that. */
function silentProcess(
  place: Place,
  all: readonly Target[],
  errors: readonly { readonly target: Target; readonly error: string }[],
): readonly string[] {
  const refused = errors.filter(({ error }) => error.includes('connection refused'));
  if (refused.length === 0) return [];
  if (refused.length === all.length && all.every(({ guessedPort }) => guessedPort)) {
    return [
      `the process ${place.process} listens on nothing at Tsuru's default port, so its targets are down; if it has no metrics, leave it out with: ` +
        set(place, 'scrape=false'),
    ];
  }
  return [
    `${downText(refused.length, place.process)}: nothing listens at this port; if it is the wrong one, name theirs with ${set(place, 'port=PORT')}`,
  ];
}

function downText(targets: number, process: string): string {
  return `${count(targets, 'target')} of the process ${process} ${targets === 1 ? 'is' : 'are'} down`;
}

function set({ app, process }: Place, annotation: string): string {
  return `tsuru metadata set -a ${app} -p ${process} -t annotation prometheus.io/${annotation} --no-restart`;
}
