# Of builds with TRIFOLD_MPI: read by the build, and by find_package(trifold). The C functions alone.
set(MPI_CXX_SKIP_MPICXX ON)
find_package(MPI REQUIRED COMPONENTS CXX)
