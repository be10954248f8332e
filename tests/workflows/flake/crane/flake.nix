# Stands in for crane where there is no network: the functions that our flake.nix calls, which want what crane's want.
{
  outputs =
    { self }:
    {
      mkLib =
        pkgs:
        let
          cargo = name: { src, strictDeps, ... }@arguments: pkgs.derive name [ (toString src) (builtins.toJSON (removeAttrs arguments [ "src" "cargoArtifacts" "meta" "nativeCheckInputs" ])) (arguments.cargoArtifacts or "") (arguments.nativeCheckInputs or [ ]) ] // { meta = arguments.meta or { }; };
          on = name: { cargoArtifacts, ... }@arguments: cargo name arguments;
        in
        {
          buildDepsOnly = cargo "deps";
          buildPackage = on "package";
          cargoClippy = { cargoClippyExtraArgs, ... }@arguments: on "clippy" arguments;
          cargoDoc = on "doc";
          cargoTest = on "test";
          cargoFmt = { src }: pkgs.derive "fmt" [ (toString src) ];
          devShell = { checks, packages }: pkgs.derive "shell" [ (builtins.attrValues checks) packages ];
        };
    };
}
