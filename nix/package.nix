# The program, its own filters and actions, pages and units. Tests take root and namespaces, so they
# are not run here.
{ lib, rustPlatform }:
let
  manifest = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).package;
  # What the build reads, and no more: a change to a test rebuilds nothing.
  source = lib.cleanSourceWith {
    src = ../.;
    filter =
      path: _type:
      let
        relative = lib.removePrefix (toString ../. + "/") (toString path);
        first = lib.head (lib.splitString "/" relative);
      in
      lib.elem first [
        "benches"
        "CHANGELOG.md"
        "Cargo.lock"
        "Cargo.toml"
        "LICENSE-APACHE"
        "LICENSE-MIT"
        "Makefile"
        "README.md"
        "SECURITY.md"
        "config"
        "docs"
        "man"
        "src"
        "systemd"
      ];
  };
in
rustPlatform.buildRustPackage {
  pname = manifest.name;
  inherit (manifest) version;
  src = source;
  cargoLock.lockFile = ../Cargo.lock;
  doCheck = false;
  # Its own filters and actions are beside it; commands find them without being told.
  postPatch = ''
    sed -i "s|\"/usr/share/rban\"|\"$out/share/rban\"|" src/config/mod.rs
    grep -qF "\"$out/share/rban\"" src/config/mod.rs
  '';
  # The integration tests' folder is not in the source.
  cargoBuildFlags = [ "--bin=rban" ];

  installPhase = ''
    runHook preInstall
    binary=$(find target -path '*/release/rban' -type f | head -1)
    make install RBAN_BINARY=$binary prefix=$out DESTDIR= PATHS=common \
      sysconfdir=$out/etc unitdir=$out/lib/systemd/system vendordir=$out/share/rban \
      zshdir=$out/share/zsh/site-functions
    for name in client server regex; do ln -s rban $out/bin/fail2ban-$name; done
    runHook postInstall
  '';

  meta = {
    inherit (manifest) description;
    homepage = "https://example.com/rban";
    license = with lib.licenses; [
      mit
      asl20
    ];
    platforms = lib.platforms.linux;
    mainProgram = "rban";
  };
}
