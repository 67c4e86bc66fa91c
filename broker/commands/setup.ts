import {
  AUTHORITIES_VARIABLE,
  LARGEST_VARIABLE_BYTES,
  readAuthorities,
  trust,
} from '../../agent/shared/authorities.ts';
import type { Environment } from '../../agent/shared/environment.ts';
import { errorText } from '../../agent/shared/text.ts';
import { createTsuruClient, TsuruError } from '../../agent/shared/tsuru.ts';
import { parseTsuruUrl } from '../config.ts';
import { UsageError, type Command, type ExitCode, type Output } from './command.ts';
import { readInstallation, SETUP_OPTIONS, type Installation } from './setup/options.ts';
import { printedCommands } from './setup/printed.ts';
import { stepsOf, type Done } from './setup/steps.ts';

/** A deploy may pull an image first. */
const LIMIT_MS = 1_200_000;
const WIDTH = 11;

export const setup: Command = {
  name: 'setup',
  summary: "makes what is missing of the service in Tsuru, with an administrator's token",
  about: `Makes what is missing of the service in Tsuru: team, roles, the broker's token, its app with environment and deploy, the service and
its webhook. Run it again at any time: it continues where it stopped, and brings an earlier installation to this version. It needs
TSURU_TARGET (or TSURU_HOST) and TSURU_TOKEN, the token of an administrator ("tsuru token-show"). A password is made for the service,
which nobody has to know.`,
  options: SETUP_OPTIONS,
  async run({ given, environment, output }) {
    const installation = readInstallation(given);
    if (given.has('print')) {
      const lines = printedCommands(installation);
      output.report(lines, lines);
      return 0;
    }
    return makeSure(installation, environment, output);
  },
};

async function makeSure(installation: Installation, environment: Environment, output: Output): Promise<ExitCode> {
  const tsuru = createTsuruClient(administratorOf(environment));
  const done: Done[] = [];
  const lines: string[] = [];
  try {
    const steps = stepsOf(tsuru, installation, AbortSignal.timeout(LIMIT_MS));
    for (const [index, step] of steps.entries()) {
      output.progress(index, steps.length, step.what);
      try {
        const result = await step.run();
        done.push(result);
        lines.push(`${result.outcome.padEnd(WIDTH)}${result.what}`);
      } catch (error) {
        const problem = `${step.what}: ${reasonOf(error)}`;
        const advice = 'Run the same command again once this is mended: it continues here.';
        output.report({ done, failed: problem }, [...lines, `${'FAILED'.padEnd(WIDTH)}${problem}`, '', advice]);
        return 1;
      }
    }
  } finally {
    await tsuru.close();
  }
  const { service, app } = installation;
  const next = `The service is ready. Next: tsuru service-instance-add ${service} my-instance -t TEAM; or look at all of it: tsuru app-run -a ${app} "broker check".`;
  output.report({ done }, [...lines, '', next]);
  return 0;
}

function reasonOf(error: unknown): string {
  const text = errorText(error).replace(/\.$/, '');
  if (!(error instanceof TsuruError)) return text;
  if (error.failure === 'unauthorized') return `Tsuru rejects TSURU_TOKEN: set it to what "tsuru token-show" prints`;
  if (error.failure === 'forbidden') return `${text}: set TSURU_TOKEN to the token of an administrator who may do this`;
  return text;
}

/** As the tsuru client takes them. */
function administratorOf(environment: Environment): { readonly url: URL; readonly token: string } {
  const target = environment['TSURU_TARGET'] ?? environment['TSURU_HOST'] ?? '';
  const token = environment['TSURU_TOKEN']?.trim() ?? '';
  const url = target === '' ? undefined : parseTsuruUrl(target);
  const authorities = readAuthorities(
    (environment[AUTHORITIES_VARIABLE.name] ?? '').trim(),
    LARGEST_VARIABLE_BYTES,
    Date.now(),
  );
  const problems = [
    ...(url === undefined ? ["TSURU_TARGET must be Tsuru's address, such as https://tsuru.example.com."] : []),
    ...(/^[\x21-\x7e]+$/.test(token)
      ? []
      : ['TSURU_TOKEN must be the token of an administrator ("tsuru token-show").']),
    ...(authorities.ok ? [] : [authorities.problem]),
  ];
  if (url === undefined || problems.length > 0) throw new UsageError(problems.join('\n'));
  if (authorities.ok) trust(authorities.authorities);
  return { url, token };
}
