import { trust } from '../agent/shared/authorities.ts';
import { systemClock } from '../agent/shared/clock.ts';
import { describeVariables, fail, configOrExit } from '../agent/shared/command-line.ts';
import { createLog } from '../agent/shared/log.ts';
import { didYouMean, errorText, listNames } from '../agent/shared/text.ts';
import { VERSION } from '../agent/shared/version.ts';
import { startBroker } from './broker.ts';
import { check } from './commands/check.ts';
import { runCommand, type Command } from './commands/command.ts';
import { list } from './commands/list.ts';
import { reconcile } from './commands/reconcile.ts';
import { rotate } from './commands/rotate.ts';
import { setup } from './commands/setup.ts';
import { upgrade } from './commands/upgrade.ts';
import { readConfig, VARIABLES } from './config.ts';

/** Tsuru kills a unit 30 s after SIGTERM: waiting requests have had an answer by now, and a retry finishes the rest. */
const STOP_LIMIT_MS = 25_000;

/** As it is typed: in the image there is a program of this name. */
const PROGRAM = import.meta.filename.endsWith('.js') ? 'broker' : 'npm run broker --';

const COMMANDS: readonly Command[] = [setup, check, list, upgrade, rotate, reconcile];

const USAGE = `Usage: ${PROGRAM} [COMMAND] [--check-config | --help | --version]

Makes instances of Prometheus for Tsuru, which calls it. With a command it does that, and ends ("${PROGRAM} COMMAND --help"):

${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(9)}  ${summary}`).join('\n')}

  --check-config  checks the environment and the plans without asking Tsuru, and ends: exit code 0 with what each plan holds, or 2 with
                  every problem
  --help          this
  --version       the version

The environment:
${describeVariables(VARIABLES)}
`;

const [word = '', ...rest] = process.argv.slice(2);
if (word !== '' && !word.startsWith('-')) {
  const command = COMMANDS.find(({ name }) => name === word);
  if (command !== undefined) process.exit(await runCommand(command, rest, process.env, PROGRAM));
  const names = COMMANDS.map(({ name }) => name);
  const hint = didYouMean(word, names) || `: there are ${listNames(names, names.length)}.`;
  fail(`There is no command ${word}${hint} See "${PROGRAM} --help".`, 2);
}
const config = configOrExit(process.argv.slice(2), {
  program: PROGRAM,
  usage: USAGE,
  version: VERSION,
  readConfig: () => readConfig(process.env),
  describe: ({ plans }) => plans.map(({ name, details }) => `plan ${name}: ${details}`),
});
const log = createLog(config.logLevel, [
  config.tsuruToken,
  config.auth.password,
  ...(config.eventsToken === undefined ? [] : [config.eventsToken]),
]);
trust(config.authorities);
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
