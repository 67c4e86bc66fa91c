import { trust } from '../agent/shared/authorities.ts';
import { describeVariables, fail, orderedOrExit } from '../agent/shared/command-line.ts';
import { createLog } from '../agent/shared/log.ts';
import { errorText } from '../agent/shared/text.ts';
import { VERSION } from '../agent/shared/version.ts';
import { startBroker } from './broker.ts';
import { runCheck } from './commands/run-check.ts';
import { systemClock } from '../agent/shared/clock.ts';
import { readConfig, VARIABLES } from './config.ts';

/** Tsuru kills a unit 30 s after SIGTERM: waiting requests have had an answer by now, and a retry finishes the rest. */
const STOP_LIMIT_MS = 25_000;

const USAGE = `Usage: node broker/main.ts [COMMAND] [--check-config | --help | --version]

Makes instances of Prometheus for Tsuru, which calls it. With a command it does that, and ends:

  check [--json]  looks at the installation through Tsuru and changes nothing: exit code 0, or 1 with every problem and its remedy

  --check-config  checks the environment and the plans without asking Tsuru, and ends: exit code 0 with what each plan holds, or 2 with
                  every problem
  --help          this
  --version       the version

The environment:
${describeVariables(VARIABLES)}
`;

const { config, command, json } = orderedOrExit(process.argv.slice(2), {
  program: 'node broker/main.ts',
  usage: USAGE,
  version: VERSION,
  commands: ['check'],
  readConfig: () => readConfig(process.env),
  describe: ({ plans }) => plans.map(({ name, details }) => `plan ${name}: ${details}`),
});
const log = createLog(config.logLevel, [
  config.tsuruToken,
  config.auth.password,
  ...(config.eventsToken === undefined ? [] : [config.eventsToken]),
]);
trust(config.authorities);
if (command === 'check') process.exit(await runCheck(config, json));
for (const warning of config.authorities.warnings) log.warn(warning);
try {
  const broker = await startBroker(config, log, systemClock);
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => {
      log.info(`${name}: the broker stops`);
      setTimeout(() => process.exit(0), STOP_LIMIT_MS).unref();
      void broker.stop();
    });
  }
} catch (error) {
  const { host, port } = config.listen;
  const inUse = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
  fail(
    inUse
      ? `${host}:${port} is in use: set PORT to another port, or stop the process that uses it.`
      : `The broker failed: ${errorText(error)}`,
  );
}
