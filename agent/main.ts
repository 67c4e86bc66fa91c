import { becomeInitIfFirst } from './init.ts';

// Before anything else is loaded: until then the kernel drops what is signalled to process 1.
becomeInitIfFirst();
await import('./program.ts');
