import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freeAddress } from '../support/address.ts';
import { handOn, makeAuthority, type Authority } from '../support/authority.ts';
import { expect } from '../support/instance.ts';
import { startProgram, type Program } from '../support/program.ts';
import { until } from '../support/until.ts';
import { APP, AUTH, environmentOf, startStage, type Stage } from './stage.ts';

const MAIN = fileURLToPath(new URL('../../broker/main.ts', import.meta.url));

async function variableOf({ admin }: Stage, name: string): Promise<string | undefined> {
  const { body } = await expect(admin.call('GET', `/1.0/apps/${APP}/env?env=${name}`), 200);
  return (JSON.parse(body) as readonly { name: string; value: string }[] | null)?.[0]?.value;
}

/** A broker as a process of its own, which the stage's Tsuru calls from now on. */
async function startProcess(stage: Stage, tsuru: string, env: Readonly<Record<string, string>>): Promise<Program> {
  const host = freeAddress();
  const program = startProgram({
    command: process.execPath,
    args: [MAIN],
    env: { ...environmentOf(tsuru, stage.brokerToken), BROKER_ADDRESS: host, PORT: '8888', ...env },
  });
  await until('the broker to listen', async () => (await fetch(`http://${host}:8888/healthz`)).status === 200);
  stage.tsuru.addService({ name: 'prometheus', endpoint: `http://${host}:8888`, ...AUTH });
  return program;
}

async function startSecureTsuru(stage: Stage, authority: Authority): Promise<string> {
  return authority.serve(handOn(stage.tsuru.url));
}

describe('the private CAs of the broker', () => {
  it("are trusted for Tsuru's API, and given to the instances that it makes and to those that are there", async () => {
    await using authority = await makeAuthority();
    await using other = await makeAuthority('Another CA');
    await using stage = await startStage({ reconciles: false });
    const tsuru = await startSecureTsuru(stage, authority);
    const first = await startProcess(stage, tsuru, { CA_CERTIFICATES: authority.path });
    await expect(stage.add(), 201);
    assert.equal(await variableOf(stage, 'CA_CERTIFICATES'), authority.pem.trimEnd());
    await first.stop();
    const second = await startProcess(stage, tsuru, { CA_CERTIFICATES: `${authority.pem}${other.pem}` });
    const both = `${authority.pem}${other.pem}`.trimEnd();
    await until('the other CA, too', async () => (await variableOf(stage, 'CA_CERTIFICATES')) === both);
    await second.stop();
    assert.equal(second.lines.filter((line) => line.includes('restore_variables')).length, 1, second.lines.join('\n'));
  });

  it("are the owner's where the broker has none", async () => {
    await using stage = await startStage();
    await expect(stage.add(), 201);
    assert.equal(await variableOf(stage, 'CA_CERTIFICATES'), undefined);
  });

  it('are named as the remedy where those of the system do not suffice', async () => {
    await using authority = await makeAuthority();
    await using stage = await startStage({ reconciles: false });
    const program = await startProcess(stage, await startSecureTsuru(stage, authority), {});
    await until('the remedy in the log', () =>
      program.lines.some((line) => line.includes('set CA_CERTIFICATES to the certificate of its CA')),
    );
    await program.stop();
  });

  it('that are too many for a variable end the start with one sentence', async () => {
    await using authority = await makeAuthority();
    const env = { ...environmentOf('http://127.0.0.1:1', 'a-token'), CA_CERTIFICATES: authority.pem.repeat(110) };
    const program = startProgram({ command: process.execPath, args: [MAIN, '--check-config'], env });
    assert.equal(await program.end, 2);
    assert.match(
      program.lines.join('\n'),
      /^CA_CERTIFICATES is larger than 64 KiB \(\d+ KiB\): give the private CAs only.*$/,
    );
  });
});

describe("Tsuru's redirect", () => {
  it('is not followed, and both the answer and the log name the TSURU_HOST to set', async () => {
    await using stage = await startStage({ reconciles: false });
    const followed: IncomingMessage[] = [];
    const [host, other] = [freeAddress(), freeAddress()];
    const elsewhere = createServer((request, response) => {
      followed.push(request);
      response.end('[]');
    }).listen(8080, other);
    const redirecting = createServer((request, response) => {
      response.writeHead(308, { location: `http://${other}:8080${request.url ?? ''}` }).end();
    }).listen(8080, host);
    await Promise.all([once(redirecting, 'listening'), once(elsewhere, 'listening')]);
    const program = await startProcess(stage, `http://${host}:8080`, {});
    try {
      const { body } = await stage.add();
      assert.match(body, new RegExp(`look at its TSURU_HOST \\(set TSURU_HOST to http://${other}:8080\\)`));
      await until('the log', () =>
        program.lines.some((line) => line.includes(`set TSURU_HOST to http://${other}:8080`)),
      );
      assert.deepEqual(followed, []);
    } finally {
      await program.stop();
      for (const server of [redirecting, elsewhere]) {
        server.closeAllConnections();
        server.close();
      }
    }
  });
});
