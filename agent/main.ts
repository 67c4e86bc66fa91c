// The agent's start: arguments, environment, signals and exit codes. This file alone touches the process.
import { startAgent } from './agent.ts';
import { systemClock } from './shared/clock.ts';
import { readConfig, secretsOf, VARIABLES } from './config.ts';
import { hostPort } from './system/listen.ts';
import { errorCode } from './system/files.ts';
import { FolderInUse } from './prometheus/process/occupancy.ts';
import { FolderNotWritable } from './prometheus/process/writable.ts';
import { STOP_LIMIT_MS as PROMETHEUS_STOP_LIMIT_MS } from './prometheus/process/supervisor.ts';
import { trust } from './shared/authorities.ts';
import { configOrExit, describeVariables, fail } from './shared/command-line.ts';
import { createLog } from './shared/log.ts';
import { errorText } from './shared/text.ts';
import { VERSION } from './shared/version.ts';

/** How long a stop may take before the process ends anyway: files are whole at any moment. */
const STOP_LIMIT_MS = 2_000;

const USAGE = `Follows the units of the apps bound on Tsuru, and runs the Prometheus that scrapes them behind a password.

  node agent [--check-config | --help | --version]

  --check-config  checks the environment and ends: exit code 0, or 2 with every problem
  --help          this
  --version       the version

The environment:
${describeVariables(VARIABLES)}
`;

const config = configOrExit(process.argv.slice(2), {
  program: 'node agent',
  usage: USAGE,
  version: VERSION,
  readConfig: () => readConfig(process.env),
});
const secrets = [...secretsOf(config)];
const log = createLog(config.logLevel, secrets);
const prometheusLimitMs = config.prometheus.kind === 'supervised' ? PROMETHEUS_STOP_LIMIT_MS : 0;
const stop = new AbortController();
for (const name of ['SIGTERM', 'SIGINT'] as const) {
  process.on(name, () => {
    if (stop.signal.aborted) return;
    log.info(`${name}: the agent stops`);
    stop.abort();
    setTimeout(() => process.exit(0), STOP_LIMIT_MS + prometheusLimitMs).unref();
  });
}

if (process.pid === 1) {
  log.warn(
    'the agent is process 1 and does not reap orphans, which stay as zombies: start it with tini, as the image does',
  );
}

trust(config.authorities);
try {
  const agent = await startAgent(config, process.env, log, systemClock, stop.signal, secrets);
  await agent.stopped;
} catch (error) {
  if (error instanceof FolderInUse || error instanceof FolderNotWritable) fail(error.message);
  if (errorCode(error) !== 'EADDRINUSE') fail(`The agent failed: ${errorText(error)}`);
  const { gateway, listen } = config;
  const isPublic =
    error instanceof Error && 'port' in error && gateway !== undefined && error.port === gateway.listen.port;
  const [where, variable] = isPublic ? [gateway.listen, 'PORT'] : [listen, 'AGENT_LISTEN'];
  fail(`${hostPort(where)} is in use: set ${variable} to another port, or stop the process that uses it.`);
}
