// A shell in which the commands of documents run: against a local Tsuru, with a stand-in for the tsuru client.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { createClient, type Client } from '../tsuru/client.ts';
import type { Images } from '../tsuru/images.ts';
import { startTsuru, type LocalTsuru } from '../tsuru/server.ts';
import { temporaryFolder } from './folder.ts';

const MAIN = fileURLToPath(new URL('../../broker/main.ts', import.meta.url));
const TSURU = fileURLToPath(new URL('../tsuru/tsuru.ts', import.meta.url));
const PLANS = new URL('../../broker/plans.yaml', import.meta.url);
const BROKER_IMAGE = 'example.com/prometheus-broker:0.1.0';
const images: Images = (name) => {
  if (name !== BROKER_IMAGE) return { processes: { web: 'nothing' } };
  const start = `BROKER_ADDRESS=$TSURU_LOCAL_ADDRESS exec '${process.execPath}' '${MAIN}'`;
  return { exposes: 8888, healthcheck: { path: '/readyz' }, processes: { web: { argv: ['/bin/sh', '-c', start] } } };
};

export interface Shell extends AsyncDisposable {
  readonly tsuru: LocalTsuru;
  readonly admin: Client;
  /** Where scripts run. */
  readonly folder: string;
  /** Runs a script with the stand-ins `tsuru` and `broker` on its PATH, in a folder of its own. */
  run(script: string, input?: string): Promise<{ readonly exitCode: number | null; readonly out: string }>;
}

export async function startShell(): Promise<Shell> {
  const stack = new AsyncDisposableStack();
  const tsuru = stack.adopt(await startTsuru({ images }), (one) => one.close());
  const folder = stack.use(await temporaryFolder());
  for (const [name, file] of [
    ['tsuru', TSURU],
    ['broker', MAIN],
  ] as const) {
    const path = join(folder.path, name);
    await writeFile(path, `#!/bin/sh\nexec '${process.execPath}' '${file}' "$@"\n`);
    await chmod(path, 0o755);
  }
  await copyFile(PLANS, join(folder.path, 'my-plans.yaml'));
  return {
    tsuru,
    folder: folder.path,
    admin: createClient(tsuru.url, tsuru.adminToken),
    async run(script, input = '') {
      const env = {
        TSURU_TARGET: tsuru.url,
        TSURU_TOKEN: tsuru.adminToken,
        PATH: `${folder.path}:${process.env['PATH'] ?? ''}`,
      };
      const child = spawn('bash', ['-e', '-u', '-o', 'pipefail', '-c', `exec 2>&1\n${script}`], {
        cwd: folder.path,
        env,
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      child.stdin.end(input);
      const [out] = await Promise.all([text(child.stdout), once(child, 'close')]);
      return { exitCode: child.exitCode, out };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** The lines of a block of commands, without prompts and remarks. */
export function commandsOf(block: string): string {
  return block
    .split('\n')
    .map((line) => line.replace(/^\s*\$ /, '').replace(/ {2,}# .*$/, ''))
    .join('\n');
}

/** Makes the service as broker/README.md says; there is no router here, so what runs is reached at its unit. */
export const SET_UP =
  "broker setup --team my-admins --plans my-plans.yaml --broker-image example.com/prometheus-broker:0.1.0 --image example.com/prometheus:0.1.0 --endpoint 'http://{unit}' --env 'BROKER_INSTANCE_URL=http://{unit}'";
