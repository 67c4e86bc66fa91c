import { count } from '../../agent/shared/text.ts';
import { checkInstallation } from './check/check.ts';
import type { Finding } from './check/finding.ts';
import { valueOf, type Command } from './command.ts';
import { configOf, withContext } from './connection.ts';

/** A handful of questions to Tsuru, one to a registry, and two for each instance. */
const LIMIT_MS = 300_000;

const WORDS = { good: 'ok', problem: 'PROBLEM', unknown: 'unknown' } as const;
const WIDTH = 9;

export const check: Command = {
  name: 'check',
  summary: 'looks at the installation through Tsuru, changes nothing, and says what is wrong',
  about: `Looks at the whole installation through Tsuru and changes nothing: permissions, plans, pools, image, service, brokers, webhook,
instances. Exit code 0, or 1 with each problem and its remedy.`,
  options: [
    { name: 'app', value: 'NAME', meaning: 'the app of the broker (TSURU_APPNAME, which Tsuru sets in its units)' },
  ],
  async run({ given, environment, output }) {
    const config = configOf(environment);
    const { eventsToken, auth } = config;
    const brokerApp = valueOf(given, 'app') ?? environment['TSURU_APPNAME'] ?? '';
    const findings = await withContext(config, (context) =>
      checkInstallation({ context, eventsToken, auth, brokerApp }, AbortSignal.timeout(LIMIT_MS), output.progress),
    );
    output.report(findings, linesOf(findings));
    return findings.some(({ kind }) => kind === 'problem') ? 1 : 0;
  },
};

function linesOf(findings: readonly Finding[]): readonly string[] {
  const countOf = (wanted: Finding['kind']): number => findings.filter(({ kind }) => kind === wanted).length;
  const [problems, unknown] = [countOf('problem'), countOf('unknown')];
  const rest = unknown === 0 ? '' : ` ${count(unknown, 'thing')} could not be looked at.`;
  return [
    ...findings.map(({ kind, text }) => `${WORDS[kind].padEnd(WIDTH)}${text}`),
    '',
    problems > 0
      ? `${count(problems, 'problem')}.${rest}`
      : unknown > 0
        ? `No problem was found.${rest}`
        : 'Nothing is wrong.',
  ];
}
