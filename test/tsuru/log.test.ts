import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../support/until.ts';
import { createApp, type Client } from './client.ts';
import type { Images, UnitPlace } from './images.ts';
import { withTsuru } from './worlds.ts';

interface Line {
  readonly Message: string;
  readonly Source: string;
  readonly Unit: string;
}

it('the local Tsuru keeps what units say, and tells the last lines by number, source and unit', async () => {
  const places: UnitPlace[] = [];
  await withTsuru({ images: talking(places) }, async (_tsuru, admin) => {
    await createApp(admin, 'my-app', 'talking:1', 2);
    const [first, second] = places;
    assert.ok(first !== undefined && second !== undefined);
    for (const word of ['one', 'two', 'three']) first.log(word);
    second.log('four');
    const queries: readonly (readonly [query: string, messages: readonly string[]])[] = [
      ['lines=2', ['three', 'four']],
      ['lines=9&source=web', ['one', 'two', 'three', 'four']],
      [`lines=2&unit=${first.unit}`, ['two', 'three']],
      ['lines=1&source=web&invert-source=true', ['---- Updating router [fake] ----']],
    ];
    for (const [query, messages] of queries) {
      assert.deepEqual(
        (await lines(admin, query)).map(({ Message }) => Message),
        messages,
        query,
      );
    }
    assert.equal((await admin.call('GET', '/1.0/apps/my-app/log')).body, 'Parameter "lines" is mandatory.\n');
    assert.equal((await admin.call('GET', '/1.0/apps/my-app/log?lines=x')).status, 400);
  });
});

it('the local Tsuru sends each new line to whoever follows the log', async () => {
  const places: UnitPlace[] = [];
  await withTsuru({ images: talking(places) }, async (tsuru, admin) => {
    await createApp(admin, 'my-app', 'talking:1');
    const hangUp = new AbortController();
    const response = await fetch(`${tsuru.url}/1.0/apps/my-app/log?lines=0&follow=1`, {
      headers: { Authorization: `bearer ${tsuru.adminToken}` },
      signal: hangUp.signal,
    });
    let received = '';
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of response.body ?? []) received += decoder.decode(chunk as Uint8Array, { stream: true });
    })();
    await until('the lines before', () => received === '[]\n');
    places[0]?.log('one');
    places[0]?.log('two');
    await until('both lines', () => received.split('\n').length === 4);
    const sent = received
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as Line[]).map(({ Message }) => Message));
    assert.deepEqual(sent, [[], ['one'], ['two']]);
    hangUp.abort();
    await assert.rejects(reading);
  });
});

/** Units that are only heard through their place. */
function talking(places: UnitPlace[]): Images {
  return () => ({
    processes: {
      web: (place) => {
        places.push(place);
        return Promise.resolve({ close: () => Promise.resolve() });
      },
    },
  });
}

async function lines(admin: Client, query: string): Promise<Line[]> {
  return JSON.parse((await admin.call('GET', `/1.0/apps/my-app/log?${query}`)).body) as Line[];
}
