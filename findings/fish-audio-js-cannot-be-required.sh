# Fish Audio's JavaScript SDK: require("fish-audio") fails, though the package brings a build for it.
#
# One would guess that a package whose exports name "require": "./dist/cjs/index.js" can be required, as CommonJS projects (most of
# Express, NestJS without a switch, n8n) do. The package also says "type": "module", and its CommonJS files are called .js, so that
# Node reads them as modules: "exports is not defined in ES module scope". The error sends one looking at one's own settings. import()
# works, also inside CommonJS: const { FishAudioClient } = await import("fish-audio").
#
# fish-audio 0.1.0 (npm), Node 20; node and npm have to be installed. Run on 2026-11-28.
set -eu
command -v npm > /dev/null || { echo "npm is not installed"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund fish-audio@0.1.0 > npm.log 2>&1 || { cat npm.log; exit 2; }
cat > required.cjs << 'END'
try {
  console.log(`require: ${typeof require("fish-audio").FishAudioClient}`);
} catch (error) {
  console.log(`require: ${error.name}: ${error.message.split("\n")[0]}`);
}
import("fish-audio").then(({ FishAudioClient }) => console.log(`import: ${typeof FishAudioClient}`));
END
node required.cjs | tee seen
grep -q "^require: ReferenceError: exports is not defined" seen && grep -q "^import: function" seen
