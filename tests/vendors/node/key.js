// SPDX-License-Identifier: MIT
// Makes a key as SendGrid's signed webhooks have one: the private half goes to the file named (PEM), the public half to
// standard output, as SendGrid shows it.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');

const { privateKey, publicKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
fs.writeFileSync(process.argv[2], privateKey.export({ type: 'pkcs8', format: 'pem' }));
console.log(publicKey.export({ type: 'spki', format: 'der' }).toString('base64'));
