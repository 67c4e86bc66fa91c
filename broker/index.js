// `node broker`: says which Node the broker needs where this one cannot read its source, and starts it where it can.
import process from 'node:process';

/** Reads TypeScript as it is, and ends resources by itself (package.json, engines). */
const LEAST = 24;

if (Number.parseInt(process.versions.node, 10) < LEAST) {
  process.stderr.write(
    `The broker needs Node ${LEAST} or later, and this is Node ${process.versions.node}: use "npm run broker", which brings its own.\n`,
  );
  process.exit(2);
}
await import('./main.ts');
