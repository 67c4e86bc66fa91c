import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryTmpfs } from '../budget/tmpfs.ts';
import { freeAddress } from '../support/address.ts';
import { GATEWAY } from '../support/agent.ts';
import { temporaryFolder } from '../support/folder.ts';
import { startProgram } from '../support/program.ts';
import { seeming } from '../support/small-instance.ts';

const MIB = 2 ** 20;
const MAIN = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));

describe('an agent without room for a Prometheus', { concurrency: 2 }, () => {
  for (const { memoryMib, volumeMib, sentence } of [
    { memoryMib: 50, volumeMib: 64, sentence: /cannot run in 50 MiB of memory: .+ which leaves 0 MiB, but GOMEMLIMIT/ },
    { memoryMib: 100, volumeMib: 256, sentence: /cannot run in 100 MiB of memory/ },
    {
      memoryMib: 130,
      volumeMib: 16,
      sentence: /cannot run in 130 MiB of memory: the agent takes 128 MiB and the tmpfs/,
    },
    { memoryMib: 512, volumeMib: 1, sentence: /cannot store in 1 MiB: .+; choose a volume of 30 MiB or more/ },
  ]) {
    it(`ends with the sum on ${memoryMib} MiB of memory and a tmpfs of ${volumeMib} MiB, and starts none`, async () => {
      await using volume = await temporaryTmpfs(volumeMib * MIB);
      await using folder = await temporaryFolder();
      const [command = '', ...words] = await seeming(memoryMib, folder.path);
      const program = startProgram({
        command,
        args: [...words, process.execPath, MAIN],
        env: {
          ...GATEWAY,
          TSURU_HOST: 'http://127.0.0.1:1',
          TSURU_TOKEN: 'token',
          AGENT_DATA_DIR: join(volume.path, 'agent'),
          AGENT_STORAGE_DIR: join(volume.path, 'data'),
          AGENT_LISTEN: `${freeAddress()}:9091`,
          AGENT_PROMETHEUS_LISTEN: `${freeAddress()}:9090`,
          AGENT_GATEWAY_ADDRESS: freeAddress(),
        },
      });
      assert.equal(await program.end, 1);
      assert.match(program.lines.join('\n'), sentence);
      assert.ok(!program.lines.some((line) => line.includes('Prometheus is started')));
    });
  }
});
