// npm run dashboards: writes the JSON of both dashboards, which is what ships.
import { writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { APP_DASHBOARD } from './app.ts';
import { INSTANCE_DASHBOARD } from './instance.ts';

for (const [name, dashboard] of Object.entries({ app: APP_DASHBOARD, instance: INSTANCE_DASHBOARD })) {
  const file = new URL(`${name}.json`, import.meta.url);
  const options = await resolveConfig(file);
  await writeFile(file, await format(JSON.stringify(dashboard), { ...options, parser: 'json' }));
}
