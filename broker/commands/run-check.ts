import { createTsuruClient } from '../../agent/shared/tsuru.ts';
import { check, type CheckOptions, type Finding } from './check.ts';

/** All of it asks Tsuru a handful of things, and a broker one. */
const LIMIT_MS = 60_000;

export interface RunOptions extends Omit<CheckOptions, 'tsuru'> {
  readonly tsuruUrl: URL;
  readonly tsuruToken: string;
}

/** Prints what `check` finds; returns the exit code: 0, or 1 with a problem. */
export async function runCheck(options: RunOptions, json: boolean): Promise<0 | 1> {
  const { tsuruUrl: url, tsuruToken: token, plans, service, pool } = options;
  const tsuru = createTsuruClient({ url, token });
  const findings = await check({ tsuru, plans, service, pool }, AbortSignal.timeout(LIMIT_MS));
  await tsuru.close();
  process.stdout.write(json ? `${JSON.stringify(findings, null, 2)}\n` : textOf(findings));
  return findings.some(({ kind }) => kind === 'problem') ? 1 : 0;
}

function textOf(findings: readonly Finding[]): string {
  const lines = findings.map(({ kind, text }) => `${kind === 'good' ? 'ok     ' : 'PROBLEM'}  ${text}`);
  const problems = findings.filter(({ kind }) => kind === 'problem').length;
  const end = problems === 0 ? 'Nothing is wrong.' : problems === 1 ? '1 problem.' : `${problems} problems.`;
  return `${[...lines, '', end].join('\n')}\n`;
}
